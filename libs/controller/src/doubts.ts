import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient, Informer } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { byControllerUid, controllerOf } from './owners.ts';
import type { WriteFence } from './write-fence.ts';

/** Can a write that failed so have taken effect all the same? Refusals cannot; a server that broke, or was not heard of again, may have done it. */
export function isUncertain(error: unknown): boolean {
  return !(error instanceof StatusError) || error.code >= 500;
}

/**
 * Owners some of whose dependents were written without an answer. Deciding on them by the cache could do the same again:
 * so the server is asked once what there is, and nothing is decided before the cache shows that (a fence does the waiting).
 */
export interface Doubts {
  /** Notes a failed write for a key, if its outcome is unknown. */
  failed(key: string, error: unknown): void;
  /** Asks the server, where there is doubt about a key. Throws what the server answers; the doubt stays. */
  settle<D extends KubeObject>(key: string, owner: KubeObject, dependents: Informer<D>): Promise<void>;
  forget(key: string): void;
}

/** `dependents` given to `settle` need the index `byControllerUid`. */
export function createDoubts(options: { readonly api: ApiClient; readonly fence: WriteFence }): Doubts {
  const { api, fence } = options;
  const doubted = new Set<string>();
  const ownedLive = async <D extends KubeObject>(resource: ResourceRef<D>, owner: KubeObject): Promise<Map<string, D>> => {
    const { namespace, uid } = owner.metadata ?? {};
    const { items } = await api.list(resource, namespace ? { namespace } : {});
    return new Map(items.filter((item) => controllerOf(item)?.uid === uid).map((item) => [item.metadata?.uid ?? '', item]));
  };
  return {
    failed(key, error) {
      if (isUncertain(error)) doubted.add(key);
    },
    async settle(key, owner, dependents) {
      if (!doubted.has(key)) return;
      const live = await ownedLive(dependents.resource, owner);
      for (const object of live.values()) fence.wrote(key, object);
      for (const object of dependents.byIndex(byControllerUid, owner.metadata?.uid ?? '')) if (!live.has(object.metadata?.uid ?? '')) fence.deleted(key, object);
      doubted.delete(key);
    },
    forget: (key) => void doubted.delete(key),
  };
}
