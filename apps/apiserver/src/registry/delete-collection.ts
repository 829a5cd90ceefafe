import { isNotFound } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { checkWanted } from '../pipeline/out-of-time.ts';
import { type DeleteOptions, deleteObject } from './delete.ts';
import { type ListOptions, type ListResult, list } from './list.ts';
import type { Registry, RequestScope } from './registry.ts';

/** Deletions that run at once, so that a large collection does not starve other writers. */
const workers = 16;

/** DELETE of a collection: every object selected now, one by one, as long as somebody waits for it. Resolves to what was listed. */
export async function deleteCollection(registry: Registry, scope: RequestScope, request: { list: ListOptions; options: DeleteOptions }): Promise<ListResult> {
  if (Object.keys(request.options.raw).length > 2) scope.audit?.request(request.options.raw);
  const listed = await list(registry, scope, request.list);
  const queue: Entry[] = [...listed.entries].reverse();
  const work = async (): Promise<void> => {
    for (let entry = queue.pop(); entry; entry = queue.pop()) {
      checkWanted(scope.signal);
      const info = { ...scope.info, namespace: entry.namespace, name: entry.name };
      try {
        await deleteObject(registry, { ...scope, info, audit: undefined }, request.options);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };
  // The request has ended when the last deletion has, whichever failed first.
  const ends = await Promise.allSettled(Array.from({ length: workers }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return listed;
}
