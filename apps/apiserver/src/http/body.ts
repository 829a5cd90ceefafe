import { DecodeError, type FieldValidation, type KindDescriptor, decodeFailure, decodeParsed, decodeProtobuf, definitionFor, parseBody, parseYaml, schemaOf } from '@orrery/api';
import { type KubeObject, type ObjectSchema, type ParsedJson, formatApiVersion, isRecord, parseApiVersion } from '@orrery/apimachinery';
import { StatusError, badRequest, unsupportedMediaType } from '@orrery/errors';
import { whyNot } from '../registry/other-kind.ts';
import { checkCustomKind, checkTypeMeta } from './custom-body.ts';

/** What a body must be: a kind and the schema of its fields. */
export interface ExpectedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly schema: ObjectSchema;
}

export interface DecodedBody {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

/** Bodies up to this size are read; upstream's limit. */
export const maxBodyBytes = 3 * 1024 * 1024;

const accepted = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';

export function unknownBodyFormat(): StatusError {
  return unsupportedMediaType(`the body of the request was in an unknown format - accepted media types include: ${accepted}`);
}

/** The kind a resource's own bodies have. */
export function expectKind(kind: KindDescriptor): ExpectedKind {
  return { group: kind.group, version: kind.version, kind: kind.kind, schema: kind.schema ?? schemaOf(kind.definition) };
}

/** The kind a subresource's bodies have. */
export function expectNamed(gvk: { group: string; version: string; kind: string }): ExpectedKind {
  const name = definitionFor(formatApiVersion(gvk.group, gvk.version), gvk.kind);
  if (!name) throw new StatusError({ code: 500, reason: 'InternalError', message: `no schema for ${gvk.kind}` });
  return { ...gvk, schema: schemaOf(name) };
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

interface Parsed {
  readonly parsed: ParsedJson;
  readonly problems: readonly string[];
  /** See `DecodeOptions.sorted`. */
  readonly sorted: boolean;
}

function parse(body: Buffer, type: string): Parsed {
  if (type === '' || type === 'application/json') return { parsed: parseBody(body), problems: [], sorted: false };
  if (type === 'application/yaml') {
    const { value, problems } = parseYaml(body.toString('utf8'));
    return { parsed: { value, duplicates: new Map() }, problems, sorted: true };
  }
  throw unknownBodyFormat();
}

const protobufType = 'application/vnd.kubernetes.protobuf';

/** Protobuf has no unknown fields to speak of: what was decoded is the object. */
function decodeWire(body: Buffer, expected: ExpectedKind): DecodedBody {
  const { object } = decodeProtobuf(body, { apiVersion: formatApiVersion(expected.group, expected.version), kind: expected.kind });
  checkKind(object, expected);
  return { object: object as KubeObject, warnings: [] };
}

/** A body may leave out kind and apiVersion, but not name others. */
function checkKind(value: unknown, expected: ExpectedKind): void {
  if (!isRecord(value)) return;
  const { apiVersion, kind } = value;
  const wanted = formatApiVersion(expected.group, expected.version);
  const given = typeof apiVersion === 'string' && apiVersion ? apiVersion : wanted;
  const named = typeof kind === 'string' && kind ? kind : expected.kind;
  if (named === 'DeleteOptions' && expected.kind === 'DeleteOptions') return;
  if (given !== wanted && definitionFor(given, named)) {
    throw badRequest(`the API version in the data (${given}) does not match the expected API version (${wanted})`);
  }
  if (given === wanted && named === expected.kind) return;
  const { version } = parseApiVersion(given);
  const why = whyNot({ apiVersion: given, kind: named }, expected);
  throw badRequest(`${named} in version ${JSON.stringify(version)} cannot be handled as a ${expected.kind}: ${why}`);
}

/** Decodes a body of a write. Throws 400 and 415 in upstream's words. */
export function decodeBody(body: Buffer, options: { contentType: string | undefined; expected: ExpectedKind; mode: FieldValidation }): DecodedBody {
  const { expected, mode } = options;
  let found: { apiVersion?: string; kind?: string } = {};
  try {
    if (mediaType(options.contentType) === protobufType) {
      if (expected.schema.isCustom) throw unsupportedMediaType('the body of the request was in an unknown format - accepted media types include: application/json, application/yaml');
      return decodeWire(body, expected);
    }
    const { parsed, ...rest } = parse(body, mediaType(options.contentType));
    const { value } = parsed;
    checkTypeMeta(value);
    if (isRecord(value)) found = { apiVersion: formatApiVersion(expected.group, expected.version), kind: expected.kind, ...pickType(value) };
    if (expected.schema.isCustom) checkCustomKind(value, body, expected);
    else checkKind(value, expected);
    const { object, warnings } = decodeParsed(parsed, { schema: expected.schema, mode, ...rest });
    return { object: object as KubeObject, warnings };
  } catch (error) {
    if (error instanceof DecodeError) throw decodeFailure(error, { expectedKind: expected.kind, body, found });
    throw error;
  }
}

function pickType(value: Record<string, unknown>): { apiVersion?: string; kind?: string } {
  const { apiVersion, kind } = value;
  return { ...(typeof apiVersion === 'string' && apiVersion ? { apiVersion } : {}), ...(typeof kind === 'string' && kind ? { kind } : {}) };
}
