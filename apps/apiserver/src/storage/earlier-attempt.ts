import type { KVDefinition, KeyValue, TxnResponse } from '@orrery/proto/etcd';
import { type Client, Code, toRpcError } from '@orrery/rpc';
import { type Write, currentOf } from './transactions.ts';

/** Changes of a key that are looked through for one's own. */
const mostChanges = 100;
const timeoutMs = 10_000;

/** What became of an earlier attempt at a transaction: when it succeeded, that it did not, or that nobody can say any more. */
export type EarlierAttempt = { readonly revision: number } | 'failed' | 'unknown';

/**
 * Tells an earlier attempt's success from somebody else's write, by what the first key has held since: `response` is that of a later
 * attempt that did not succeed. Expectations name the state before, so two attempts cannot both succeed. A new object holds a uid
 * that no other writer draws, and two deletions of one state have one outcome; but an update may say what another said at the same time.
 */
export async function earlierAttempt(kv: Client<typeof KVDefinition>, writes: readonly Write[], response: TxnResponse): Promise<EarlierAttempt> {
  const [main] = writes;
  const [current] = currentOf(response);
  const expect = main?.expect;
  if (!main || expect === undefined || 'check' in main || (current?.modRevision ?? 0) === expect) return 'failed';
  if ('delete' in main) {
    if (!current) return { revision: response.header?.revision ?? 0 };
    // Deleted, and made anew by somebody.
    return (current.createRevision ?? 0) > expect ? { revision: (current.createRevision ?? 0) - 1 } : 'failed';
  }
  // Whoever removed it, it is not known what it held.
  if (!current) return 'unknown';
  const found = await find(kv, { value: main.put, expect, current });
  return expect > 0 && typeof found === 'object' ? 'unknown' : found;
}

/** Looks for a value in the history of a key, newest first, back to the state that was expected. */
async function find(kv: Client<typeof KVDefinition>, { value, expect, current }: { value: Buffer; expect: number; current: KeyValue }): Promise<EarlierAttempt> {
  let at: KeyValue = current;
  for (let i = 0; i < mostChanges; i++) {
    const { key, modRevision = 0, createRevision = 0 } = at;
    if (at.value?.equals(value)) return { revision: modRevision };
    if (modRevision === createRevision) return expect === 0 ? 'failed' : 'unknown';
    try {
      const { kvs = [] } = await kv.range({ key, revision: modRevision - 1 }, { timeoutMs });
      if (!kvs[0]) return 'unknown';
      at = kvs[0];
    } catch (error) {
      if (toRpcError(error).code === Code.OUT_OF_RANGE) return 'unknown';
      throw error;
    }
    if ((at.modRevision ?? 0) <= expect) return 'failed';
  }
  return 'unknown';
}
