import { runMain } from '@orrery/node-io';
import { createStore, storeSchema } from './component.ts';

await runMain({
  name: 'store',
  summary: 'one member of etcd v3: keys, transactions, watches, leases',
  schema: storeSchema,
  create: ({ env, config }) => {
    const { config: _file, logLevel: _level, ...settings } = config as typeof config & { config?: string; logLevel?: string };
    return createStore(env, {}, settings);
  },
});
