import { faultyDisk } from '@orrery/chaos';
import { dialGrpc, keepHeapLean, nodeDisk, ownProcess, runMain, serveGrpc, serveHttp } from '@orrery/node-io';
import { createStore, storeSchema } from './component.ts';

// Measured: half of V8's own memory for a million keys, and as quick.
keepHeapLean({ youngBytes: 16 * 1024 * 1024, growingPercent: 25 });

await runMain({
  name: 'store',
  summary: 'one member of etcd v3: keys, transactions, watches, leases',
  schema: storeSchema,
  create: ({ env, config, faults }) => createStore(env, { disk: faultyDisk({ ...env, disk: nodeDisk, faults: faults.disk }), serveGrpc, dialGrpc, serveHttp, alone: ownProcess }, config),
});
