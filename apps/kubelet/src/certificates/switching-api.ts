import type { ApiClient } from '@orrery/client';

/** A client that can be put on another connection, such as one with a renewed certificate. */
export interface SwitchingApi extends ApiClient {
  /** Later calls go by `next`; the old connection is closed, which makes watches begin again by the new one. */
  replace(next: ApiClient): Promise<void>;
}

export function switchingApi(first: ApiClient): SwitchingApi {
  let current = first;
  return {
    get: (...args) => current.get(...args),
    list: (...args) => current.list(...args),
    watch: (...args) => current.watch(...args),
    create: (...args) => current.create(...args),
    createSubresource: (...args) => current.createSubresource(...args),
    update: (...args) => current.update(...args),
    patch: (...args) => current.patch(...args),
    delete: (...args) => current.delete(...args),
    deleteCollection: (...args) => current.deleteCollection(...args),
    close: () => current.close(),
    async replace(next) {
      const old = current;
      current = next;
      await old.close();
    },
  };
}
