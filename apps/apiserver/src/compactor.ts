import { Compare_CompareResult, Compare_CompareTarget, KVDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { EtcdStore } from './storage/etcd-store.ts';

const key = Buffer.from('compact_rev_key');

/**
 * Compacts the store one interval behind. Among replicas, the one whose compare-and-swap of `compact_rev_key` succeeds
 * does it, as upstream's do, so that theirs and ours can share a store.
 */
export function startCompactor(env: Env, deps: { channel: Channel; store: EtcdStore }, options: { intervalMs: number; signal: AbortSignal }): void {
  const kv = createClient(KVDefinition, deps.channel);
  let version = 0;
  let revision = 0;

  const round = async (): Promise<void> => {
    const response = await kv.txn({
      compare: [{ result: Compare_CompareResult.EQUAL, target: Compare_CompareTarget.VERSION, key, targetUnion: { $case: 'version', value: version } }],
      success: [{ request: { $case: 'requestPut', value: { key, value: Buffer.from(String(revision)) } } }],
      failure: [{ request: { $case: 'requestRange', value: { key } } }],
    });
    const current = response.header?.revision ?? 0;
    if (!response.succeeded) {
      const [first] = response.responses ?? [];
      const found = first?.response?.$case === 'responseRange' ? first.response.value.kvs?.[0] : undefined;
      version = found?.version ?? 0;
      revision = current;
      return;
    }
    version += 1;
    const target = revision;
    revision = current;
    if (target > 0) await deps.store.compact(target);
  };

  const loop = async (): Promise<void> => {
    while (!options.signal.aborted) {
      await env.clock.sleep(options.intervalMs, options.signal).catch(() => undefined);
      if (options.signal.aborted) return;
      await round().catch((error: unknown) => env.log.warn('compaction failed; trying again next time', { error }));
    }
  };
  void loop();
}
