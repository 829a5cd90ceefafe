import { dialGrpc, nodeDisk, ownProcess, runMain, serveGrpc, serveHttp } from '@orrery/node-io';
import { createStore, storeSchema } from './component.ts';

await runMain({
  name: 'store',
  summary: 'one member of etcd v3: keys, transactions, watches, leases',
  schema: storeSchema,
  create: ({ env, config }) => createStore(env, { disk: nodeDisk, serveGrpc, dialGrpc, serveHttp, alone: ownProcess }, config),
});
