import type { StatusError } from '@orrery/errors';
import { KVDefinition, type KeyValue, LeaseDefinition, type RangeRequest, type RangeResponse, type TxnRequest, type TxnResponse } from '@orrery/proto/etcd';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { earlierAttempt } from './earlier-attempt.ts';
import { type Unreadable, isAmbiguous, toStorageError, unknownOutcomeError, unreadableObject } from './errors.ts';
import { prefixEnd } from './keys.ts';
import { leasePool } from './lease-pool.ts';
import { type Write, currentOf, transactionOf } from './transactions.ts';
import type { DecodedValue, ValueCodec } from './value-codec.ts';

export { isTooLargeVersion, toStorageError, tooLargeVersion } from './errors.ts';
export type { Write } from './transactions.ts';

/** One key as the store holds it, decrypted. */
export interface StoredValue {
  readonly key: string;
  /** The object as JSON; empty when it is unreadable. */
  readonly value: Buffer;
  /** The revision that wrote it: the object's resourceVersion. */
  readonly revision: number;
  /** Encrypted with a key that writes no more: the next write stores it again even if it changes nothing. */
  readonly stale?: boolean;
  readonly unreadable?: Unreadable;
}

export interface RangeResult {
  readonly values: readonly StoredValue[];
  readonly more: boolean;
  /** Keys in the whole range, at the revision that was read. */
  readonly count: number;
  /** The store's revision when it answered (of a read in the past: still the current one). */
  readonly revision: number;
}

export type CommitResult =
  | { readonly committed: true; readonly revision: number }
  /** What each key of the transaction holds now, in order; undefined where it does not exist. */
  | { readonly committed: false; readonly current: readonly (StoredValue | undefined)[] };

/** The store as the registry uses it: reads, transactions on mod revisions, leases. All failures are StatusErrors. */
export interface EtcdStore {
  /** A value that cannot be read comes with `unreadable`; so do those of a range. */
  get(key: string): Promise<{ value: StoredValue | undefined; revision: number }>;
  range(prefix: string, options: { after?: string; limit?: number; revision?: number }): Promise<RangeResult>;
  /**
   * All writes or none. A transaction whose answer was lost is sent again and told from an earlier success by what it finds;
   * where that cannot be found out, the error says so and does not invite another try.
   */
  commit(writes: readonly Write[]): Promise<CommitResult>;
  /** A revision that is at least as new as the last write acknowledged before the call. Concurrent calls share one read. */
  currentRevision(): Promise<number>;
  /** A lease that lives at least `ttlSeconds` and is shared with other short-lived keys of about the same age. */
  leaseFor(ttlSeconds: number): Promise<string>;
  compact(revision: number): Promise<void>;
  /** A value as an event of the store's watch brings it. What is plain JSON comes back as the same buffer. Never throws. */
  decode(key: string, raw: Buffer): Buffer | DecodedValue | Promise<DecodedValue>;
}

/** How long one call may take: as long as upstream lets a request. */
const callTimeoutMs = 60_000;
/** Pauses before a transaction whose answer was lost is sent again. */
const againMs = [50, 200, 800, 2000];
/** Reads and the like are tried again at once: another server may answer, or the same over a new connection. */
const harmlessAttempts = 3;

const text = (buffer: Buffer | undefined): string => (buffer ? buffer.toString('utf8') : '');

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

function fail(error: unknown): never {
  throw toStorageError(error);
}

/** Values of a range, in order; a promise only where one of them has to wait for a key. */
function decodeAll(codec: ValueCodec, kvs: readonly KeyValue[]): StoredValue[] | Promise<StoredValue[]> {
  const values = kvs.map((kv) => decodeOne(codec, kv));
  return values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as StoredValue[]);
}

function decodeOne(codec: ValueCodec, kv: KeyValue): StoredValue | Promise<StoredValue> {
  const key = text(kv.key);
  const revision = kv.modRevision ?? 0;
  const decoded = codec.decode(key, kv.value ?? Buffer.alloc(0));
  if (Buffer.isBuffer(decoded)) return { key, value: decoded, revision };
  return decoded instanceof Promise ? decoded.then((one) => ({ key, revision, ...one })) : { key, revision, ...decoded };
}

function sealed(codec: ValueCodec, write: Write): Write {
  if (!('put' in write)) return write;
  let put: Buffer;
  try {
    put = codec.encode(write.key, write.put);
  } catch (error) {
    throw unreadableObject({ key: write.key, why: (error as Error).message, isSealed: true });
  }
  return put === write.put ? write : { ...write, put };
}

interface EtcdClient {
  readonly kv: ReturnType<typeof createClient<typeof KVDefinition>>;
  readonly clock: Clock;
}

/** For what does no harm when it is done twice. */
async function repeated<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === harmlessAttempts || !(error instanceof RpcError) || error.code !== Code.UNAVAILABLE) fail(error);
    }
  }
}

function read({ kv }: EtcdClient, request: RangeRequest): Promise<RangeResponse> {
  return repeated(() => kv.range(request, { timeoutMs: callTimeoutMs }));
}

/** What a transaction sent once more after `lost` answers; `lost`: how the earlier attempts ended, one of which may have succeeded. */
interface Settled {
  readonly response: TxnResponse;
  readonly lost: unknown;
}

/** Sends a transaction again until its outcome is known. `first`: how the first attempt failed. */
async function settle({ kv, clock }: EtcdClient, request: TxnRequest, first: unknown): Promise<Settled> {
  let error = first;
  let lost: unknown;
  for (const pauseMs of againMs) {
    if (isAmbiguous(error)) lost = error;
    else if (lost === undefined) fail(error);
    await clock.sleep(pauseMs);
    try {
      return { response: await kv.txn(request, { timeoutMs: callTimeoutMs }), lost };
    } catch (next) {
      error = next;
    }
  }
  if (isAmbiguous(error)) lost = error;
  else if (lost === undefined) fail(error);
  throw unknownOutcomeError(lost);
}

/** The etcd v3 client of the API server, over gRPC or in memory. `probeKey` is read where only the revision is wanted. */
export function createEtcdStore(channel: Channel, options: { clock: Clock; probeKey: string; codec: ValueCodec }): EtcdStore {
  const { clock, codec } = options;
  const client: EtcdClient = { kv: createClient(KVDefinition, channel), clock };
  const lease = createClient(LeaseDefinition, channel);
  const probe = Buffer.from(options.probeKey);
  return {
    async get(key) {
      const response = await read(client, { key: Buffer.from(key) });
      const first = response.kvs?.[0];
      return { value: first && (await decodeOne(codec, first)), revision: response.header?.revision ?? 0 };
    },
    async range(prefix, { after, limit, revision }) {
      const key = Buffer.from(after === undefined ? prefix : `${after}\0`);
      const response = await read(client, { key, rangeEnd: Buffer.from(prefixEnd(prefix)), limit: limit ?? 0, revision: revision ?? 0 });
      return {
        values: await decodeAll(codec, response.kvs ?? []),
        more: response.more ?? false,
        count: response.count ?? 0,
        revision: response.header?.revision ?? 0,
      };
    },
    async commit(plain) {
      const writes = plain.map((write) => sealed(codec, write));
      const request = transactionOf(writes);
      let lost: unknown;
      let response: TxnResponse;
      try {
        response = await client.kv.txn(request, { timeoutMs: callTimeoutMs });
      } catch (error) {
        ({ response, lost } = await settle(client, request, error));
      }
      if (response.succeeded) return { committed: true, revision: response.header?.revision ?? 0 };
      if (lost !== undefined) {
        const earlier = await earlierAttempt(client.kv, writes, response).catch(() => 'unknown' as const);
        if (earlier === 'unknown') throw unknownOutcomeError(lost);
        if (earlier !== 'failed') return { committed: true, revision: earlier.revision };
      }
      const current = await Promise.all(currentOf(response).map((kv) => kv && decodeOne(codec, kv)));
      return { committed: false, current };
    },
    currentRevision: sharedRead(async () => {
      const response = await read(client, { key: probe, countOnly: true });
      return response.header?.revision ?? 0;
    }),
    leaseFor: leasePool(async (ttl) => {
      // One too many lapses.
      const response = await repeated(() => lease.leaseGrant({ TTL: ttl, ID: '0' }, { timeoutMs: callTimeoutMs }));
      return response.ID ?? '0';
    }, clock),
    async compact(revision) {
      await client.kv.compact({ revision }, { timeoutMs: callTimeoutMs }).catch(fail);
    },
    decode: (key, raw) => codec.decode(key, raw),
  };
}

/** The value, or the error that a request for this one object answers. */
export function readable(value: StoredValue): StoredValue {
  if (value.unreadable) throw unreadableObject(value.unreadable) satisfies StatusError;
  return value;
}
