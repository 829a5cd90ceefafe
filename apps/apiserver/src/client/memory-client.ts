import { type KubeObject, type ResourceRef, cloneJson } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { Entry } from '../cache/entry.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import type { ApiServerCore } from '../server.ts';
import { type Outcome, directCalls } from './direct-calls.ts';

function objectOf<T>(outcome: Outcome): T {
  return (outcome instanceof Entry ? outcome.object : outcome) as T;
}

/**
 * The pipeline in memory: authorized, admitted and stored like any request; objects pass by reference. `program`: as whom it writes fields, by
 * default the user's name. `reachesUnserved`: also kinds that
 * are turned off, for the server itself.
 */
export function createMemoryClient(core: ApiServerCore, user: UserInfo, options: { program?: string | undefined; reachesUnserved?: boolean } = {}): ApiClient {
  const calls = directCalls(core, { user, ...options });
  return {
    get: async (ref, key, options) => objectOf(await calls.get(ref, key, options)),
    async list<T extends KubeObject>(ref: ResourceRef<T>, options?: Parameters<ApiClient['list']>[1]) {
      const listed = await calls.list(ref, options);
      if ('remote' in listed) return listed.remote as { items: T[]; resourceVersion: string };
      const { entries, resourceVersion, ...rest } = listed.entries;
      return { ...rest, items: entries.map((entry) => entry.object as T), resourceVersion: String(resourceVersion) };
    },
    watch: (ref, options, sink) =>
      calls.watch(ref, options, {
        frames: (batch) => sink.events(batch.map((frame) => ({ type: frame.type, object: frame.entry.object }))),
        closed: (error) => sink.closed(error),
      }),
    create: async (ref, object, options) => objectOf(await calls.create(ref, cloneJson(object), options)),
    createSubresource: async (ref, key, subresource, body) => objectOf(await calls.createSubresource(ref, key, subresource, cloneJson(body))),
    update: async (ref, object, options) => objectOf(await calls.update(ref, object, options)),
    patch: async (ref, key, body, options) => objectOf(await calls.patch(ref, key, body, options)),
    delete: async (ref, key, options) => objectOf(await calls.delete(ref, key, options)),
    deleteCollection: (ref, selection, options) => calls.deleteCollection(ref, selection, options),
    close: async () => calls.close(),
  };
}
