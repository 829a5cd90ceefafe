import { StatusError, expired, serviceUnavailable, timeout } from '@orrery/errors';
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  KVDefinition,
  type KeyValue,
  LeaseDefinition,
  type RequestOp,
  type TxnResponse,
} from '@orrery/proto/etcd';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { prefixEnd } from './keys.ts';

/** One key as the store holds it. */
export interface StoredValue {
  readonly key: string;
  readonly value: Buffer;
  /** The revision that wrote it: the object's resourceVersion. */
  readonly revision: number;
}

export interface RangeResult {
  readonly values: readonly StoredValue[];
  readonly more: boolean;
  /** Keys in the whole range, at the revision that was read. */
  readonly count: number;
  /** The store's revision when it answered (of a read in the past: still the current one). */
  readonly revision: number;
}

/** One step of a transaction. `expect` is the mod revision the key must have, 0 that it must not exist; absent: anything. */
export type Write = { readonly key: string; readonly expect?: number } & (
  | { readonly put: Buffer; readonly lease?: string }
  | { readonly delete: true }
  | { readonly check: true }
);

export type CommitResult =
  | { readonly committed: true; readonly revision: number }
  /** What each key of the transaction holds now, in order; undefined where it does not exist. */
  | { readonly committed: false; readonly current: readonly (StoredValue | undefined)[] };

/** The store as the registry uses it: reads, transactions on mod revisions, leases. All failures are StatusErrors. */
export interface EtcdStore {
  get(key: string): Promise<{ value: StoredValue | undefined; revision: number }>;
  range(prefix: string, options: { after?: string; limit?: number; revision?: number }): Promise<RangeResult>;
  commit(writes: readonly Write[]): Promise<CommitResult>;
  /** A revision that is at least as new as the last write acknowledged before the call. Concurrent calls share one read. */
  currentRevision(): Promise<number>;
  /** A lease that lives at least `ttlSeconds` and is shared with other short-lived keys of about the same age. */
  leaseFor(ttlSeconds: number): Promise<string>;
  compact(revision: number): Promise<void>;
}

const text = (buffer: Buffer | undefined): string => (buffer ? buffer.toString('utf8') : '');

function stored(kv: KeyValue): StoredValue {
  return { key: text(kv.key), value: kv.value ?? Buffer.alloc(0), revision: kv.modRevision ?? 0 };
}

/** A failure of the store in the API's terms; compaction and revisions of the future have their own answers. */
export function toStorageError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (!(error instanceof RpcError)) return serviceUnavailable(`storage: ${error instanceof Error ? error.message : String(error)}`);
  if (error.code === Code.OUT_OF_RANGE && error.message.includes('compacted')) {
    return expired('The resourceVersion for the provided list is too old.');
  }
  if (error.code === Code.OUT_OF_RANGE) return tooLargeVersion(0, 0);
  if (error.code === Code.DEADLINE_EXCEEDED) return timeout(`etcd: ${error.message}`);
  return serviceUnavailable(`etcd: ${error.message}`, 1);
}

/** 504 for a revision that this server has not seen yet. */
export function tooLargeVersion(wanted: number, current: number): StatusError {
  return new StatusError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
  });
}

function compareOf(write: Write): Compare[] {
  if (write.expect === undefined) return [];
  return [
    {
      result: Compare_CompareResult.EQUAL,
      target: Compare_CompareTarget.MOD,
      key: Buffer.from(write.key),
      targetUnion: { $case: 'modRevision', value: write.expect },
    },
  ];
}

function operationOf(write: Write): RequestOp[] {
  const key = Buffer.from(write.key);
  if ('put' in write) {
    return [{ request: { $case: 'requestPut', value: { key, value: write.put, ...(write.lease ? { lease: write.lease } : {}) } } }];
  }
  return 'delete' in write ? [{ request: { $case: 'requestDeleteRange', value: { key } } }] : [];
}

function readBack(write: Write): RequestOp {
  return { request: { $case: 'requestRange', value: { key: Buffer.from(write.key) } } };
}

function currentOf(response: TxnResponse): (StoredValue | undefined)[] {
  return (response.responses ?? []).map((r) => {
    const kv = r.response?.$case === 'responseRange' ? r.response.value.kvs?.[0] : undefined;
    return kv ? stored(kv) : undefined;
  });
}

/** Leases are handed out for 1,000 keys or a twentieth of their life, whichever ends first, as upstream does. */
function leasePool(grant: (ttl: number) => Promise<string>, clock: Clock): (ttlSeconds: number) => Promise<string> {
  const open = new Map<number, { id: Promise<string>; until: number; left: number }>();
  return (ttlSeconds) => {
    const current = open.get(ttlSeconds);
    if (current && current.left > 0 && clock.monotonic() < current.until) {
      current.left -= 1;
      return current.id;
    }
    const spare = Math.ceil(ttlSeconds / 20);
    const id = grant(ttlSeconds + spare);
    open.set(ttlSeconds, { id, until: clock.monotonic() + spare * 1000, left: 999 });
    id.catch(() => open.delete(ttlSeconds));
    return id;
  };
}

/** Reads the revision once for all who asked before the read began. */
function sharedRead(read: () => Promise<number>): () => Promise<number> {
  let running: Promise<number> | undefined;
  let next: Promise<number> | undefined;
  const begin = (): Promise<number> => {
    running = read().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (!running) return begin();
    next ??= running.then(
      () => ((next = undefined), begin()),
      () => ((next = undefined), begin()),
    );
    return next;
  };
}

/** The etcd v3 client of the API server, over gRPC or in memory. `probeKey` is read where only the revision is wanted. */
export function createEtcdStore(channel: Channel, options: { clock: Clock; probeKey: string }): EtcdStore {
  const kv = createClient(KVDefinition, channel);
  const lease = createClient(LeaseDefinition, channel);
  const fail = (error: unknown): never => {
    throw toStorageError(error);
  };
  const probe = Buffer.from(options.probeKey);
  return {
    async get(key) {
      const response = await kv.range({ key: Buffer.from(key) }).catch(fail);
      const first = response.kvs?.[0];
      return { value: first ? stored(first) : undefined, revision: response.header?.revision ?? 0 };
    },
    async range(prefix, { after, limit, revision }) {
      const key = Buffer.from(after === undefined ? prefix : `${after}\0`);
      const response = await kv.range({ key, rangeEnd: Buffer.from(prefixEnd(prefix)), limit: limit ?? 0, revision: revision ?? 0 }).catch(fail);
      return {
        values: (response.kvs ?? []).map(stored),
        more: response.more ?? false,
        count: response.count ?? 0,
        revision: response.header?.revision ?? 0,
      };
    },
    async commit(writes) {
      const response = await kv
        .txn({ compare: writes.flatMap(compareOf), success: writes.flatMap(operationOf), failure: writes.map(readBack) })
        .catch(fail);
      if (response.succeeded) return { committed: true, revision: response.header?.revision ?? 0 };
      return { committed: false, current: currentOf(response) };
    },
    currentRevision: sharedRead(async () => {
      const response = await kv.range({ key: probe, countOnly: true }).catch(fail);
      return response.header?.revision ?? 0;
    }),
    leaseFor: leasePool(async (ttl) => {
      const response = await lease.leaseGrant({ TTL: ttl, ID: '0' }).catch(fail);
      return response.ID ?? '0';
    }, options.clock),
    async compact(revision) {
      await kv.compact({ revision }).catch(fail);
    },
  };
}
