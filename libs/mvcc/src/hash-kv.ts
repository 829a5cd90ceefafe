import { revisionBytes, valueBytes } from './backend-form.ts';
import { crc32c } from './crc32c.ts';
import { MvccError } from './errors.ts';
import type { MvccState } from './state.ts';
import { StoredKv, byRevision, versionAt } from './stored-kv.ts';

/** What a member must hold at `revision`, whatever it has physically freed: all since the compaction, and what was live at it. */
function heldAt(state: MvccState, revision: number): StoredKv[] {
  const { compactRevision } = state;
  const held: StoredKv[] = [];
  state.index.forEachPair((_key, entry) => {
    const latest = versionAt(entry.head, revision);
    if (latest && latest.modRevision <= compactRevision) {
      if (latest.version > 0) held.push(latest);
      return;
    }
    for (let kv = latest; kv && kv.modRevision > compactRevision; kv = StoredKv.older(kv)) held.push(kv);
  });
  return held.sort(byRevision);
}

/**
 * etcd's HashKV at `revision` (0 is the latest): equal to that of an etcd with the same history of writes and compactions.
 * Throws `compacted` or `futureRevision`.
 */
export function hashKv(state: MvccState, revision: number): { hash: number; revision: number; compactRevision: number } {
  if (revision > 0 && revision <= state.compactRevision) throw new MvccError('compacted');
  if (revision > state.revision) throw new MvccError('futureRevision');
  const at = revision > 0 ? revision : state.revision;
  let hash = crc32c(Buffer.from('key'));
  for (const kv of heldAt(state, at)) {
    hash = crc32c(revisionBytes(kv), { seed: hash });
    hash = crc32c(valueBytes(kv), { seed: hash });
  }
  return { hash, revision: at, compactRevision: state.compactRevision };
}
