import { cloneJson } from '@orrery/apimachinery';
import { StatusError } from '@orrery/errors';
import type { ObjectSchema } from '@orrery/apimachinery';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../gen/types.ts';
import { customSchema } from '../schema/custom-schema.ts';
import { decodeValue } from '../schema/decode.ts';
import { applySchemaDefaults } from './defaulting.ts';
import type { JsonSchema } from './json-schema.ts';

export type Custom = Record<string, unknown> & { metadata?: Record<string, unknown> & { generation?: number } };

/** How objects of one version of a definition are read. */
export interface VersionCodec {
  /** `example.com/v1` */
  readonly apiVersion: string;
  readonly version: string;
  readonly source: JsonSchema;
  readonly schema: ObjectSchema;
}

export type Codecs = ReadonlyMap<string, VersionCodec>;

export function versionCodec(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): VersionCodec {
  const source = (version.schema?.openAPIV3Schema ?? {}) as JsonSchema;
  const schema = customSchema(source, { preserveUnknownFields: definition.spec?.preserveUnknownFields === true });
  return { apiVersion: `${definition.spec?.group ?? ''}/${version.name}`, version: version.name, source, schema };
}

/** Of every version, served or not, by apiVersion. */
export function versionCodecs(definition: CustomResourceDefinition): Codecs {
  return new Map((definition.spec?.versions ?? []).map((version) => versionCodec(definition, version)).map((codec) => [codec.apiVersion, codec]));
}

/** What the version's schema does not know is dropped. The object is the caller's to give away. */
export function prune(object: Custom, codec: VersionCodec): Custom {
  return decodeValue(object, codec.schema, 'Ignore').object as Custom;
}

/** A stored object as a draft, pruned and filled in by the schema of the version it was stored at. Throws 500 for a version that is no more. */
export function readStored(stored: Custom, codecs: Codecs): { object: Custom; codec: VersionCodec } {
  const codec = codecs.get(String(stored['apiVersion']));
  if (!codec) throw new StatusError({ code: 500, message: `request to convert CR from an invalid group/version: ${String(stored['apiVersion'])}` });
  const object = prune(cloneJson(stored), codec);
  applySchemaDefaults(object, codec.source);
  return { object, codec };
}
