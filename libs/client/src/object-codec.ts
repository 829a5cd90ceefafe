import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Status, StatusError } from '@orrery/errors';
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

/** The failure an HTTP-like answer tells of. What is no Status (a proxy's page, say) becomes one. */
export function failureOf(code: number, text: string): StatusError {
  try {
    const status = JSON.parse(text) as Status;
    if (status.kind === 'Status') return new StatusError({ ...status, code: status.code || code });
  } catch {
    // Not JSON: described below.
  }
  const reason = code === 503 ? 'ServiceUnavailable' : code === 401 ? 'Unauthorized' : code === 404 ? 'NotFound' : 'Unknown';
  return new StatusError({ code, reason, message: `the server answered ${code}: ${text.slice(0, 200)}` });
}

/** What a DELETE answered: the object while it lingers, undefined once it is gone. */
export function deletedObject<T extends KubeObject>(resource: ResourceRef<T>, value: unknown): T | undefined {
  const object = value as T;
  return object.kind === 'Status' || object.kind === undefined ? undefined : typed(resource, object);
}
