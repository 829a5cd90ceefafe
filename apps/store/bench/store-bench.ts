/**
 * Durable puts per second at 1, 50 and 1000 clients: in memory and over gRPC for this store, or over gRPC for the server
 * at `--etcd host:port` (an etcd on the same disk, for comparison). `--seconds N` per measurement (default 3), `--json`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { nodeDisk, realEnv } from '@orrery/node-io';
import { KVDefinition } from '@orrery/proto/etcd';
import { type Channel, type Client, createClient, grpcChannel } from '@orrery/rpc';
import { createStore } from '../src/component.ts';

type Kv = Client<typeof KVDefinition>;

interface Row {
  transport: string;
  operation: string;
  clients: number;
  perSecond: number;
  p50Us: number;
  p99Us: number;
}

const { values: flags } = parseArgs({
  options: { etcd: { type: 'string' }, seconds: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
});
const durationMs = Number(flags.seconds) * 1000;
const value = Buffer.alloc(256, 'v');
const keys = Array.from({ length: 10_000 }, (_, i) => Buffer.from(`/registry/pods/default/pod-${i}`));

const operations: Record<string, (kv: Kv, i: number) => Promise<unknown>> = {
  put: (kv, i) => kv.put({ key: keys[i % keys.length] as Buffer, value }),
  // What an API server's update is: compare the mod revision, put, else read.
  txn: (kv, i) => {
    const key = keys[i % keys.length] as Buffer;
    return kv.txn({
      compare: [{ key, target: 2, result: 3, targetUnion: { $case: 'modRevision', value: -1 } }],
      success: [{ request: { $case: 'requestPut', value: { key, value } } }],
      failure: [{ request: { $case: 'requestRange', value: { key } } }],
    });
  },
  range: (kv, i) => kv.range({ key: keys[i % keys.length] as Buffer }),
};

async function measure(transport: string, kvs: readonly Kv[], options: { operation: string; clients: number }): Promise<Row> {
  const { operation, clients } = options;
  const run = operations[operation] as (kv: Kv, i: number) => Promise<unknown>;
  const latencies: number[] = [];
  const began = performance.now();
  const end = began + durationMs;
  await Promise.all(
    Array.from({ length: clients }, async (_, c) => {
      const kv = kvs[c % kvs.length] as Kv;
      for (let i = c * 7919; ; i++) {
        const start = performance.now();
        if (start >= end) return;
        await run(kv, i);
        latencies.push(performance.now() - start);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => Math.round((latencies[Math.floor(latencies.length * q)] ?? 0) * 1000);
  return { transport, operation, clients, perSecond: Math.round(latencies.length / seconds), p50Us: at(0.5), p99Us: at(0.99) };
}

async function series(transport: string, open: () => Channel): Promise<Row[]> {
  const channels = Array.from({ length: 4 }, open);
  const kvs = channels.map((channel) => createClient(KVDefinition, channel));
  const rows: Row[] = [];
  for (const operation of Object.keys(operations)) {
    for (const clients of [1, 50, 1000]) rows.push(await measure(transport, kvs, { operation, clients }));
  }
  for (const channel of channels) channel.close();
  return rows;
}

async function own(): Promise<Row[]> {
  const dataDir = mkdtempSync(`${tmpdir()}/orrery-store-bench-`);
  const store = createStore(realEnv({ name: 'store', level: 'warn' }), { disk: nodeDisk }, { dataDir, listenClient: ['127.0.0.1:0'] });
  try {
    await store.start();
    const address = store.addresses[0] as string;
    return [...(await series('in memory', () => store.channel())), ...(await series('gRPC', () => grpcChannel(address)))];
  } finally {
    await store.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const { etcd } = flags;
const rows = etcd === undefined ? await own() : await series(`gRPC ${etcd}`, () => grpcChannel(etcd));
if (flags.json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
else console.table(rows);
process.exit(0);
