import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import { RpcError } from '@orrery/rpc';

/** Drivers may take long: creating a disk from a snapshot copies it. */
export const callTimeoutMs = 120_000;

export const nameOf = ({ metadata }: KubeObject): string => metadata?.name ?? '';
export const namespaceOf = ({ metadata }: KubeObject): string => metadata?.namespace ?? '';
export const hasFinalizer = ({ metadata }: KubeObject, name: string): boolean => metadata?.finalizers?.includes(name) ?? false;
export const isDeleted = ({ metadata }: KubeObject): boolean => metadata?.deletionTimestamp !== undefined;

export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

export async function unlessThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
}

/** Writes an object with an edit that is made again on what is there when somebody else was faster; undefined when it is gone. */
export async function edited<T extends KubeObject>(api: ApiClient, resource: ResourceRef<T>, { seen, edit, subresource }: { seen: T; edit: (now: T) => T | undefined; subresource?: string }): Promise<T | undefined> {
  const key = { name: nameOf(seen), ...(resource.namespaced ? { namespace: namespaceOf(seen) } : {}) };
  // Another of the name is not it.
  for (let now: T | undefined = seen; now && now.metadata?.uid === seen.metadata?.uid; now = await unlessGone(api.get(resource, key))) {
    const next = edit(now);
    if (!next) return now;
    try {
      return await api.update(resource, next, subresource ? { subresource } : {});
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error)) throw error;
    }
  }
  return undefined;
}

/** Adds or removes finalizers. */
export function withFinalizers<T extends KubeObject>(api: ApiClient, resource: ResourceRef<T>, { of, add = [], remove = [] }: { of: T; add?: readonly string[]; remove?: readonly string[] }): Promise<T | undefined> {
  return edited(api, resource, {
    seen: of,
    edit(now) {
      const old = now.metadata?.finalizers ?? [];
      const finalizers = [...old.filter((name) => !remove.includes(name)), ...add.filter((name) => !old.includes(name))];
      return finalizers.length === old.length && finalizers.every((name) => old.includes(name)) ? undefined : { ...now, metadata: { ...now.metadata, finalizers } };
    },
  });
}

const codes = ['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'];

/** A failed call as gRPC clients word it. */
export function failureText(error: unknown): string {
  return error instanceof RpcError ? `rpc error: code = ${codes[error.code] ?? error.code} desc = ${error.message}` : (error as Error).message;
}
