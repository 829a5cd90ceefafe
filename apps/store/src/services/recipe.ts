import { type Event, type KeyValue, type TxnRequest, type WatchRequest, Event_EventType, KVDefinition, LeaseDefinition, RangeRequest_SortOrder as Order, RangeRequest_SortTarget as Target, WatchDefinition } from '@orrery/proto/etcd';
import { AsyncQueue, type CallContext, type CallOptions, type Client, Code, RpcError, type ServedService, createClient, inMemoryChannel } from '@orrery/rpc';

/** Seconds of the lease of those who bring none. */
const sessionTtl = 60;

/** The services that locks and elections are built on, called as the caller would call them: with its credentials, until it goes away. */
export interface Recipe {
  readonly kv: Client<typeof KVDefinition>;
  readonly options: CallOptions;
  watch(requests: AsyncIterable<WatchRequest>): ReturnType<Client<typeof WatchDefinition>['watch']>;
  /** The lease itself, or a new one for 0. */
  session(lease: string): Promise<string>;
}

export function recipeOf(services: readonly ServedService[], { metadata, signal, peer }: CallContext): Recipe {
  const channel = inMemoryChannel(services, peer);
  const options: CallOptions = { metadata, signal };
  const watcher = createClient(WatchDefinition, channel);
  return {
    kv: createClient(KVDefinition, channel),
    options,
    watch: (requests) => watcher.watch(requests, options),
    session: async (lease) => {
      if (lease !== '0') return lease;
      return (await createClient(LeaseDefinition, channel).leaseGrant({ TTL: sessionTtl }, options)).ID ?? '0';
    },
  };
}

/**
 * The same calls, seen through to their end though the caller gives up: a place in a queue that was entered half-way would
 * be nobody's to leave.
 */
export function seenThrough(recipe: Recipe): Recipe {
  return { ...recipe, options: { metadata: recipe.options.metadata ?? {} } };
}

/** etcd's client loses the code of what it passes on from another service: the text remains, under UNKNOWN. */
export function passedOn(error: unknown): unknown {
  return error instanceof RpcError && error.code !== Code.CANCELLED ? new RpcError(Code.UNKNOWN, error.message) : error;
}

/** The end of the range of all keys that begin with `prefix`; `\0`, everything, for one of nothing but 0xff. */
export function prefixEnd(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] as number;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1);
    }
  }
  return Buffer.from([0]);
}

/** What a name's contenders share: `NAME/`. */
export function prefixOf(name: Buffer | undefined): Buffer {
  return Buffer.concat([name ?? Buffer.alloc(0), Buffer.from('/')]);
}

/** A contender's own key: `NAME/LEASE`, the lease in hexadecimal. */
export function keyOfLease(prefix: Buffer, lease: string): Buffer {
  return Buffer.concat([prefix, Buffer.from(BigInt(lease).toString(16))]);
}

/** Holds while the key is as it was when it was created at `createRevision`; 0 is: it does not exist. */
export function createdAt(key: Buffer, createRevision: number): NonNullable<TxnRequest['compare']>[number] {
  return { key, target: 1, result: 0, targetUnion: { $case: 'createRevision', value: createRevision } };
}

/** Of the keys under the prefix, the request for the one that was created first. */
export function firstCreated(prefix: Buffer) {
  return { key: prefix, rangeEnd: prefixEnd(prefix), limit: 1, sortOrder: Order.ASCEND, sortTarget: Target.CREATE };
}

/** Events of a range from a revision on, until the watch is cancelled or the caller goes away, which throw. */
export async function* eventsFrom(recipe: Recipe, range: { key: Buffer; rangeEnd?: Buffer; startRevision: number }): AsyncGenerator<{ event: Event; kv: KeyValue; revision: number }> {
  const requests = new AsyncQueue<WatchRequest>();
  requests.push({ requestUnion: { $case: 'createRequest', value: range } });
  for await (const { header, events = [], canceled, cancelReason, compactRevision } of recipe.watch(requests)) {
    if (compactRevision) throw new RpcError(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted');
    if (canceled) throw new RpcError(Code.UNKNOWN, cancelReason || 'watch cancelled');
    for (const event of events) if (event.kv) yield { event, kv: event.kv, revision: header?.revision ?? 0 };
  }
  throw new RpcError(Code.UNKNOWN, 'lost watcher waiting for delete');
}

async function deleted(recipe: Recipe, key: Buffer, startRevision: number): Promise<void> {
  for await (const { event } of eventsFrom(recipe, { key, startRevision })) if (event.type === Event_EventType.DELETE) return;
}

/** Resolves when no key under the prefix is left that was created at `maxCreateRevision` or before. Waits for the last of them, so few wake at a time. */
export async function predecessorsGone(recipe: Recipe, prefix: Buffer, maxCreateRevision: number): Promise<void> {
  const request = { ...firstCreated(prefix), sortOrder: Order.DESCEND, maxCreateRevision };
  for (;;) {
    const { kvs = [], header } = await recipe.kv.range(request, recipe.options);
    const last = kvs[0]?.key;
    if (!last) return;
    await deleted(recipe, last, header?.revision ?? 0);
  }
}
