import type { KubeObject } from '@orrery/apimachinery';
import { type Informer, type ObjectStore, keyOf } from '@orrery/client';
import type { Clock } from '@orrery/runtime';

/**
 * Remembers what a controller wrote for a key until its cache shows it, so that it never decides on a cache older than
 * its own writes. Revisions are compared as numbers, which Kubernetes guarantees since 1.35.
 */
export interface WriteFence {
  wrote(key: string, object: KubeObject): void;
  deleted(key: string, object: KubeObject): void;
  /** True when everything written for the key shows in the store, or has shown and is gone again. */
  passed(key: string, store: FencedStore): boolean;
  forget(key: string): void;
}

/** A cache; one that knows its revision tells what it has not seen yet from what it has seen come and go. */
export type FencedStore = Pick<ObjectStore<KubeObject>, 'get'> & Partial<Pick<Informer<KubeObject>, 'resourceVersion'>>;

const lifetimeMs = 30_000;

interface Written {
  readonly uid: string | undefined;
  /** Infinity: deleted. */
  readonly revision: number;
  readonly atMs: number;
}

export function createWriteFence(clock: Clock): WriteFence {
  const open = new Map<string, Map<string, Written>>();
  const note = (key: string, object: KubeObject, revision: number): void => {
    let written = open.get(key);
    if (!written) open.set(key, (written = new Map()));
    written.set(keyOf(object), { uid: object.metadata?.uid, revision, atMs: clock.monotonic() });
  };
  const shown = (store: FencedStore, name: string, { uid, revision }: Written): boolean => {
    const seen = store.get(name);
    if (!seen || seen.metadata?.uid !== uid) return revision === Number.POSITIVE_INFINITY || Number(store.resourceVersion?.() ?? 0) >= revision;
    if (seen.metadata?.deletionTimestamp && revision === Number.POSITIVE_INFINITY) return true;
    return Number(seen.metadata?.resourceVersion ?? 0) >= revision;
  };
  return {
    wrote: (key, object) => note(key, object, Number(object.metadata?.resourceVersion ?? 0)),
    deleted: (key, object) => note(key, object, Number.POSITIVE_INFINITY),
    passed(key, store) {
      const written = open.get(key);
      if (!written) return true;
      const now = clock.monotonic();
      for (const [name, what] of written) if (shown(store, name, what) || now - what.atMs > lifetimeMs) written.delete(name);
      if (written.size === 0) open.delete(key);
      return written.size === 0;
    },
    forget: (key) => void open.delete(key),
  };
}
