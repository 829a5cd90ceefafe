import { PutRequest, RangeRequest, TxnRequest, TxnResponse, WatchRequest, WatchResponse } from '@orrery/proto/etcd';
import { type LoadConnection, connectLoad } from './grpc-load.ts';

/** What the load generator is asked to do, and what it answers. */
export type Order =
  | { readonly kind: 'loop'; readonly address: string; readonly operation: Operation; readonly clients: number; readonly ms: number }
  | { readonly kind: 'fill'; readonly address: string; readonly keys: number }
  | { readonly kind: 'fanOut'; readonly address: string; readonly watchers: number; readonly puts: number }
  | { readonly kind: 'watchLatency'; readonly address: string; readonly ms: number };

export type Operation = 'put' | 'txn' | 'linearizable' | 'serializable' | 'page';

export interface Result {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const valueBytes = 256;
const keyCount = 10_000;
/** Of one page of an API server's list. */
const pageKeys = 500;
const value = Buffer.alloc(valueBytes, 'v');
const prefix = '/registry/pods/default/';
const keyOf = (i: number): Buffer => Buffer.from(`${prefix}pod-${String(i).padStart(8, '0')}`);
const endOfPrefix = Buffer.from('/registry/pods/default0');
const keys = Array.from({ length: keyCount }, (_, i) => keyOf(i));
const paths = { put: 'KV/Put', txn: 'KV/Txn', linearizable: 'KV/Range', serializable: 'KV/Range', page: 'KV/Range', watch: 'Watch/Watch' } as const;

const puts = keys.map((key) => PutRequest.encode({ key, value }).finish());
const ranges = (serializable: boolean): Uint8Array[] => keys.map((key) => RangeRequest.encode({ key, serializable }).finish());
const pages = keys.slice(0, keyCount - pageKeys).map((key) => RangeRequest.encode({ key, rangeEnd: endOfPrefix, limit: pageKeys }).finish());
const requests: Record<Exclude<Operation, 'txn'>, readonly Uint8Array[]> = { put: puts, linearizable: ranges(false), serializable: ranges(true), page: pages };

/** As etcd's own benchmark has it: 10 connections for 50 clients, 100 for 1000. */
function connectionsFor(clients: number): number {
  return clients === 1 ? 1 : Math.max(10, Math.ceil(clients / 10));
}

async function connections(address: string, method: keyof typeof paths, clients: number): Promise<LoadConnection[]> {
  return Promise.all(Array.from({ length: connectionsFor(clients) }, () => connectLoad(address, `/etcdserverpb.${paths[method]}`)));
}

/** The revision at which each key was last written, as the writer of an API server knows it; per server. */
const revisions = new Map<string, Int32Array>();

function updateOf(i: number, modRevision: number): Uint8Array {
  const key = keys[i] as Buffer;
  return TxnRequest.encode({
    compare: [{ key, target: 2, result: 0, targetUnion: { $case: 'modRevision', value: modRevision } }],
    success: [{ request: { $case: 'requestPut', value: { key, value } } }],
    failure: [{ request: { $case: 'requestRange', value: { key } } }],
  }).finish();
}

/** Remembers what an update answered: its own revision, or that of the one that was quicker. */
function learn(known: Int32Array, i: number, answer: Buffer): void {
  const { succeeded = false, header, responses = [] } = TxnResponse.decode(answer);
  const found = responses[0]?.response;
  known[i] = succeeded ? (header?.revision ?? 0) : found?.$case === 'responseRange' ? (found.value.kvs?.[0]?.modRevision ?? 0) : 0;
}

function resultOf(latencies: number[], seconds: number, count = latencies.length): Result {
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => (latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? Number.NaN) * 1000;
  return { perSecond: count / seconds, p50Us: at(0.5), p99Us: at(0.99) };
}

/** Each client sends its next request when it has the answer to the one before. */
async function loop(order: Extract<Order, { kind: 'loop' }>): Promise<Result> {
  const { address, operation, clients, ms } = order;
  const open = await connections(address, operation, clients);
  const known = revisions.get(address) ?? new Int32Array(keyCount);
  revisions.set(address, known);
  const own = Math.floor(keyCount / clients);
  const latencies: number[] = [];
  const bodies = operation === 'txn' ? [] : requests[operation];
  const began = performance.now();
  const end = began + ms;
  const client = (c: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const connection = open[c % open.length] as LoadConnection;
      let i = 0;
      const next = (): void => {
        const started = performance.now();
        if (started >= end) return resolve();
        // Clients of updates keep to keys of their own; so does a lone one to a few, like any writer.
        const key = operation === 'txn' ? c * own + (i % Math.min(own, 10)) : (c * 7919 + i) % bodies.length;
        i += 1;
        connection.unary(operation === 'txn' ? updateOf(key, known[key] as number) : (bodies[key] as Uint8Array), (answer) => {
          if (answer instanceof Error) return reject(answer);
          if (operation === 'txn') learn(known, key, answer);
          latencies.push(performance.now() - started);
          next();
        });
      };
      next();
    });
  await Promise.all(Array.from({ length: clients }, (_, c) => client(c)));
  const seconds = (performance.now() - began) / 1000;
  for (const connection of open) connection.close();
  return resultOf(latencies, seconds);
}

/** Puts `count` distinct keys with a few hundred clients. */
async function putAll(address: string, count: number, request: (i: number) => Uint8Array): Promise<void> {
  const clients = Math.min(400, count);
  const open = await connections(address, 'put', clients);
  let next = 0;
  const client = (c: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const one = (): void => {
        if (next >= count) return resolve();
        (open[c % open.length] as LoadConnection).unary(request(next++), (answer) => (answer instanceof Error ? reject(answer) : one()));
      };
      one();
    });
  await Promise.all(Array.from({ length: clients }, (_, c) => client(c)));
  for (const connection of open) connection.close();
}

async function fill({ address, keys: count }: Extract<Order, { kind: 'fill' }>): Promise<Result> {
  const began = performance.now();
  await putAll(address, count, (i) => PutRequest.encode({ key: keyOf(i), value }).finish());
  return resultOf([], (performance.now() - began) / 1000, count);
}

const watchPods = WatchRequest.encode({ requestUnion: { $case: 'createRequest', value: { key: Buffer.from(prefix), rangeEnd: endOfPrefix } } }).finish();

/** `watchers` watches of all keys, ten a stream, while `puts` keys are put: events delivered in a second until all have all. */
async function fanOut({ address, watchers, puts: count }: Extract<Order, { kind: 'fanOut' }>): Promise<Result> {
  const streams = Math.ceil(watchers / 10);
  const open = await Promise.all(Array.from({ length: streams }, () => connectLoad(address, `/etcdserverpb.${paths.watch}`)));
  const expected = watchers * count;
  let created = 0;
  let events = 0;
  let began = 0;
  await new Promise<void>((resolve, reject) => {
    const write = (): void => {
      began = performance.now();
      putAll(address, count, (i) => puts[i % keyCount] as Uint8Array).catch(reject);
    };
    const message = (body: Buffer): void => {
      const response = WatchResponse.decode(body);
      if (response.canceled) return reject(new Error(`a watch was cancelled: ${response.cancelReason ?? ''}`));
      if (response.created && ++created === watchers) return write();
      events += response.events?.length ?? 0;
      if (events === expected) resolve();
    };
    for (let s = 0; s < streams; s++) {
      const stream = (open[s] as LoadConnection).stream(watchPods, message, (failure) => reject(failure ?? new Error('a watch ended')));
      for (let w = 1; w < Math.min(10, watchers - s * 10); w++) stream.send(watchPods);
    }
  });
  const seconds = (performance.now() - began) / 1000;
  for (const connection of open) connection.close();
  return resultOf([], seconds, expected);
}

/** From sending a put to its event, one at a time. */
async function watchLatency({ address, ms }: Extract<Order, { kind: 'watchLatency' }>): Promise<Result> {
  const [watch, writer] = await Promise.all([connectLoad(address, `/etcdserverpb.${paths.watch}`), connectLoad(address, `/etcdserverpb.${paths.put}`)]);
  const latencies: number[] = [];
  const began = performance.now();
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let missing = 0;
    const next = (): void => {
      if (--missing > 0) return;
      sent = performance.now();
      if (sent >= began + ms) return resolve();
      missing = 2;
      writer.unary(puts[latencies.length % keyCount] as Uint8Array, (answer) => (answer instanceof Error ? reject(answer) : next()));
    };
    watch.stream(
      watchPods,
      (body) => {
        const { created = false } = WatchResponse.decode(body);
        if (!created) latencies.push(performance.now() - sent);
        next();
      },
      (failure) => reject(failure ?? new Error('the watch ended')),
    );
  });
  watch.close();
  writer.close();
  return resultOf(latencies, ms / 1000);
}

export function carryOut(order: Order): Promise<Result> {
  switch (order.kind) {
    case 'loop':
      return loop(order);
    case 'fill':
      return fill(order);
    case 'fanOut':
      return fanOut(order);
    case 'watchLatency':
      return watchLatency(order);
  }
}
