import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Status, StatusError, type UnexpectedResponse, unexpectedResponse } from '@orrery/errors';
import { apiVersionOf } from './keys.ts';

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** An object off the wire. Items of lists may lack their kind: it is filled in. */
export function typed<T extends KubeObject>(resource: ResourceRef<T>, value: T): T {
  if (value.kind === undefined) value.kind = resource.kind;
  if (value.apiVersion === undefined) value.apiVersion = apiVersionOf(resource);
  return value;
}

export function decodeObject<T extends KubeObject>(resource: ResourceRef<T>, bytes: Uint8Array | undefined): T {
  return typed(resource, JSON.parse(Buffer.from(bytes ?? []).toString('utf8')) as T);
}

/** What a request that failed had asked for, and how its answer came. */
export interface FailedRequest extends Partial<Omit<UnexpectedResponse, 'code' | 'text'>> {
  /** Of the answer. Only the body of what is text is told; without one it counts as text. */
  readonly contentType?: string | undefined;
}

/** How much of a body is told, in bytes. */
const maxTextBytes = 2048;

function statusOf(text: string): Status | undefined {
  try {
    const status = JSON.parse(text) as Partial<Status> | null;
    return status?.kind === 'Status' && status.status === 'Failure' ? (status as Status) : undefined;
  } catch {
    // Not JSON: no Status either.
    return undefined;
  }
}

/** The failure an HTTP-like answer tells of. What is no Status (a proxy's page, say) becomes one, as client-go words it. */
export function failureOf(code: number, text: string, { contentType = '', ...request }: FailedRequest = {}): StatusError {
  const status = statusOf(text);
  if (status) return new StatusError({ ...status, code: status.code || code });
  const isText = contentType === '' || contentType.toLowerCase().trimStart().startsWith('text/');
  const told = isText ? Buffer.from(text).subarray(0, maxTextBytes).toString('utf8').trim() : 'unknown';
  return unexpectedResponse({ ...request, code, text: told });
}

/** What a DELETE answered: the object while it lingers, undefined once it is gone. */
export function deletedObject<T extends KubeObject>(resource: ResourceRef<T>, value: unknown): T | undefined {
  const object = value as T;
  return object.kind === 'Status' || object.kind === undefined ? undefined : typed(resource, object);
}
