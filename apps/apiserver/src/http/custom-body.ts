import { DecodeError } from '@orrery/api';
import { formatApiVersion, isRecord } from '@orrery/apimachinery';
import { badRequest, fieldError, invalid } from '@orrery/errors';

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value);
const header = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What a body says it is comes first: it must be an object, and kind and apiVersion texts. Throws a DecodeError. */
export function checkTypeMeta(value: unknown): Readonly<Record<string, unknown>> {
  if (value !== null && !isRecord(value)) throw new DecodeError(`couldn't get version/kind; json parse error: json: cannot unmarshal ${typeOf(value)} into Go value of type ${header}`);
  const fields = value ?? {};
  for (const name of ['apiVersion', 'kind']) {
    const given = fields[name];
    if (given === undefined || given === null || typeof given === 'string') continue;
    throw new DecodeError(`couldn't get version/kind; json parse error: json: cannot unmarshal ${typeOf(given)} into Go struct field .${name} of type string`);
  }
  return fields;
}

/**
 * Custom resources must say what they are: unlike built-in ones, none is made from the URL. Throws a DecodeError for what is
 * no object or has no kind, 400 for another version, 422 for another kind.
 */
export function checkCustomKind(value: unknown, body: Buffer, expected: { readonly group: string; readonly version: string; readonly kind: string }): void {
  const { kind, apiVersion, metadata } = checkTypeMeta(value);
  if (!kind) throw new DecodeError(`Object 'Kind' is missing in '${body.toString('utf8')}'`);
  const wanted = formatApiVersion(expected.group, expected.version);
  if (apiVersion !== wanted) throw badRequest(`the API version in the data (${text(apiVersion)}) does not match the expected API version (${wanted})`);
  if (kind === expected.kind) return;
  const name = isRecord(metadata) ? text(metadata['name']) : '';
  throw invalid({ group: expected.group, kind: text(kind), name }, [fieldError.invalid('kind', kind, `must be ${expected.kind}`)]);
}
