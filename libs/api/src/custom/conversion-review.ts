import { cloneJson, isRecord, validateAnnotations, validateLabels } from '@orrery/apimachinery';
import { StatusError } from '@orrery/errors';
import type { Custom } from './version-codec.ts';

const reviewGroup = 'apiextensions.k8s.io';

export interface ConversionBody {
  readonly kind: 'ConversionReview';
  readonly apiVersion: string;
  readonly request: { readonly uid: string; readonly desiredAPIVersion: string; readonly objects: readonly Custom[] };
}

/** The review as the first version that the webhook and we know; undefined when there is none. */
export function conversionBody(options: { reviewVersions: readonly string[]; uid: string; desiredAPIVersion: string; objects: readonly Custom[] }): ConversionBody | undefined {
  const { reviewVersions, uid, desiredAPIVersion, objects } = options;
  const version = reviewVersions.find((one) => one === 'v1' || one === 'v1beta1');
  return version === undefined ? undefined : { kind: 'ConversionReview', apiVersion: `${reviewGroup}/${version}`, request: { uid, desiredAPIVersion, objects } };
}

/** Go's name for the type of a decoded JSON value. */
function goType(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (isRecord(value)) return 'map[string]interface {}';
  if (typeof value === 'bigint') return 'int64';
  return typeof value === 'number' ? (Number.isInteger(value) ? 'int64' : 'float64') : typeof value === 'boolean' ? 'bool' : 'string';
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function kindOf(object: Record<string, unknown>): string {
  return `${text(object['apiVersion'])}, Kind=${text(object['kind'])}`;
}

/** What the answer holds; a text when it is no answer to this review. Of v1beta1 neither kind nor uid are looked at. */
function answered(reply: unknown, body: ConversionBody): unknown[] | string {
  if (!isRecord(reply)) return `couldn't get version/kind; json parse error: json: cannot unmarshal ${goType(reply)} into Go value of type struct`;
  const isV1 = body.apiVersion === `${reviewGroup}/v1`;
  if (isV1 && (reply['apiVersion'] !== body.apiVersion || reply['kind'] !== body.kind)) return `expected webhook response of ${kindOf({ ...body })}, got ${kindOf(reply)}`;
  const { response } = reply as { response?: unknown };
  if (!isRecord(response)) return 'no response provided';
  if (isV1 && response['uid'] !== body.request.uid) return `expected response.uid=${JSON.stringify(body.request.uid)}, got ${JSON.stringify(text(response['uid']))}`;
  const result = isRecord(response['result']) ? response['result'] : {};
  if (result['status'] !== 'Success') return text(result['message']) || `response.result.status was '${text(result['status'])}', not 'Success'`;
  return Array.isArray(response['convertedObjects']) ? (response['convertedObjects'] as unknown[]) : [];
}

const metadataOf = (object: Custom): Record<string, unknown> => (isRecord(object.metadata) ? object.metadata : {});

/** What a webhook may not touch; undefined when it has not. */
function violation(before: Custom, after: Custom): string | undefined {
  const [left, right] = [metadataOf(before), metadataOf(after)];
  for (const [field, what] of [['name', 'name'], ['namespace', 'namespace'], ['uid', 'UID']] as const) {
    if (text(left[field]) !== text(right[field])) return `must have the same ${what}: ${text(left[field])} != ${text(right[field])}`;
  }
  return undefined;
}

function labelProblem(name: 'labels' | 'annotations', found: unknown): string | undefined {
  if (!isRecord(found)) return `invalid metadata.${name} of type ${goType(found)} in converted object`;
  for (const [key, value] of Object.entries(found)) if (typeof value !== 'string') return `metadata.${name}[${key}] must be a string, but is ${goType(value)} in converted object`;
  const words = found as Record<string, string>;
  const errors = name === 'labels' ? validateLabels(words, 'metadata.labels') : validateAnnotations(words, 'metadata.annotation');
  const messages = errors.map(({ field, message }) => `${field}: ${message}`);
  return messages.length > 1 ? `[${messages.join(', ')}]` : messages[0];
}

/** The metadata of the original with the labels and annotations of the converted object; a text for what is wrong with them. */
function restoredMetadata(before: Custom, after: Custom): Record<string, unknown> | string {
  if (!Object.hasOwn(after, 'metadata')) return 'missing metadata in converted object';
  if (!isRecord(after.metadata)) return `invalid metadata of type ${goType(after.metadata)} in converted object`;
  const metadata = cloneJson(metadataOf(before));
  for (const name of ['labels', 'annotations'] as const) {
    const found = after.metadata[name];
    if (found === undefined || found === null) {
      delete metadata[name];
      continue;
    }
    const problem = labelProblem(name, found);
    if (problem) return problem;
    metadata[name] = found;
  }
  return metadata;
}

interface Exchange {
  /** `conversion webhook for GROUP/VERSION, Kind=KIND` */
  readonly about: string;
  readonly body: ConversionBody;
  readonly objects: readonly Custom[];
}

function checked(before: Custom, after: unknown, { desired, refuse }: { desired: string; refuse: (what: 'object' | 'metadata', why: string) => StatusError }): Custom {
  if (!isRecord(after)) throw refuse('object', `Object 'Kind' is missing in '${JSON.stringify(after)}'`);
  const object = after as Custom;
  if (object['apiVersion'] !== desired) throw refuse('object', `invalid groupVersion (expected ${desired}, received ${text(object['apiVersion'])})`);
  if (object['kind'] !== before['kind']) throw refuse('object', `invalid kind (expected ${text(before['kind'])}, received ${text(object['kind'])})`);
  const why = violation(before, object);
  if (why) throw refuse('object', why);
  const metadata = restoredMetadata(before, object);
  if (typeof metadata === 'string') throw refuse('metadata', metadata);
  return { ...object, metadata };
}

/**
 * The converted objects of a webhook's answer, in order. Throws 500 in upstream's words for an answer that is none, that
 * failed, or that changed what conversion may not change: anything of metadata but labels and annotations is put back.
 */
export function convertedObjects(reply: unknown, { about, body, objects }: Exchange): Custom[] {
  const found = answered(reply, body);
  const failure = (message: string): StatusError => new StatusError({ code: 500, message: `${about} ${message}` });
  if (typeof found === 'string') throw failure(`failed: ${found}`);
  if (found.length !== objects.length) throw failure(`returned ${found.length} objects, expected ${objects.length}`);
  const isOne = objects.length === 1;
  return objects.map((before, i) => {
    const refuse = (what: 'object' | 'metadata', why: string): StatusError => {
      if (what === 'metadata') return failure(`returned invalid metadata${isOne ? '' : ` in object at index ${i}`}: ${why}`);
      const where = isOne ? (/^invalid (groupVersion|kind) /.test(why) ? ' at index 0' : '') : ` at index ${i}`;
      return failure(`returned invalid ${isOne ? '' : 'converted '}object${where}: ${why}`);
    };
    return checked(before, found[i], { desired: body.request.desiredAPIVersion, refuse });
  });
}
