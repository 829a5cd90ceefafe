import { type ObjectSchema, cloneJson, isRecord } from '@orrery/apimachinery';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../gen/types.ts';
import { customSchema } from '../schema/custom-schema.ts';
import { DecodeError } from '../schema/decode-error.ts';
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

function attempted(object: Custom, codec: VersionCodec): Custom | undefined {
  try {
    return prune(cloneJson(object), codec);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** What was stored (not by us) with metadata that cannot be read is shown without the fields that cannot; else as it is. */
function pruned(stored: Custom, codec: VersionCodec): Custom {
  const whole = attempted(stored, codec);
  if (whole) return whole;
  const fields = isRecord(stored.metadata) ? Object.entries(stored.metadata) : [];
  const metadata = Object.fromEntries(fields.filter(([name, value]) => attempted({ metadata: { [name]: value } }, codec)));
  const kind = typeof stored['kind'] === 'string' ? stored['kind'] : '';
  const mended = { ...stored, apiVersion: codec.apiVersion, kind, metadata };
  return attempted(mended, codec) ?? cloneJson(mended);
}

/**
 * A stored object as a draft, pruned and filled in by the schema of the version it was stored at. Never throws, as caches and
 * watches rest on it: an object of a version that is no more is read by `target`, the version asked for.
 */
export function readStored(stored: Custom, codecs: Codecs, target: VersionCodec): { object: Custom; codec: VersionCodec | undefined } {
  const codec = codecs.get(String(stored['apiVersion']));
  const object = pruned(stored, codec ?? target);
  if (codec) applySchemaDefaults(object, codec.source);
  if (object.metadata && !object.metadata.generation) object.metadata.generation = 1;
  return { object, codec };
}
