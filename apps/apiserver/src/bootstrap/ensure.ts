import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import type { PluginContext } from '../pipeline/index.ts';

/** An object that must exist. */
export interface Wanted<T extends KubeObject = KubeObject> {
  readonly resource: ResourceRef<T>;
  readonly object: T;
  /** What to make of one that is there already; undefined leaves it alone. Never changes its argument. */
  readonly reconcile?: (existing: T) => T | undefined;
  /** True for one that must be deleted and made anew. */
  readonly replaces?: (existing: T) => boolean;
}

export function wanted<T extends KubeObject>(resource: ResourceRef<T>, object: T, ...[reconcile, replaces]: [Wanted<T>['reconcile']?, Wanted<T>['replaces']?]): Wanted {
  const named = { apiVersion: resource.group ? `${resource.group}/${resource.version}` : resource.version, kind: resource.kind, ...object };
  return { resource, object: named, ...(reconcile ? { reconcile } : {}), ...(replaces ? { replaces } : {}) } as unknown as Wanted;
}

const maxAttempts = 5;

/** Another server was faster: it says so, or took what the object needs (a cluster IP) and the object is there now. */
async function lostRace(context: Pick<PluginContext, 'api'>, write: { resource: ResourceRef; key: { name: string; namespace?: string }; error: unknown }): Promise<boolean> {
  if (isAlreadyExists(write.error) || isConflict(write.error) || isNotFound(write.error)) return true;
  try {
    await context.api.get(write.resource, write.key);
    return true;
  } catch {
    return false;
  }
}

/** Creates what is missing and mends what differs; several API servers may do so at once. */
async function ensureOne(context: Pick<PluginContext, 'api' | 'read'>, { resource, object, reconcile, replaces }: Wanted): Promise<void> {
  const { name = '', namespace } = object.metadata ?? {};
  const key = namespace ? { name, namespace } : { name };
  for (let attempt = 1; ; attempt++) {
    try {
      const existing = attempt > 1 ? await context.api.get(resource, key) : context.read.get(resource, key);
      if (!existing) await context.api.create(resource, object);
      else if (replaces?.(existing)) {
        await context.api.delete(resource, key, { preconditions: { uid: existing.metadata?.uid ?? '' } });
        await context.api.create(resource, object);
      } else {
        const mended = reconcile?.(existing);
        if (mended) await context.api.update(resource, mended);
      }
      return;
    } catch (error) {
      if (attempt >= maxAttempts || !(await lostRace(context, { resource, key, error }))) throw error;
    }
  }
}

/** All at once: the writes are pipelined. */
export async function ensureAll(context: Pick<PluginContext, 'api' | 'read'>, objects: readonly Wanted[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await Promise.all(objects.map((one) => ensureOne(context, one)));
}
