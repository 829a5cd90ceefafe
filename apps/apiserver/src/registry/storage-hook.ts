import type { KindDescriptor } from '@orrery/api';
import type { Write } from '../storage/etcd-store.ts';

/** Further keys that must change together with an object: allocations. */
export interface StorageHook {
  handles(kind: KindDescriptor): boolean;
  /**
   * Before each attempt to store: may complete `draft` (absent: the object is removed) and returns what to write in the
   * same transaction. `taken` holds the keys whose expectation failed in earlier attempts; of a dry run, which never
   * reaches the store, it is undefined and what the caches say must do. Throws to refuse.
   */
  plan(change: { readonly draft: any; readonly old: any; readonly taken: ReadonlySet<string> | undefined }): readonly Write[] | Promise<readonly Write[]>;
}
