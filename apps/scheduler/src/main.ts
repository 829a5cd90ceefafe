import { apiConnectionSchema, connectApi, runMain } from '@orrery/node-io';
import { createScheduler } from './component.ts';
import { schedulerSchema } from './config.ts';

await runMain({
  name: 'scheduler',
  summary: 'places pods on nodes',
  schema: { ...schedulerSchema, ...apiConnectionSchema },
  create: async ({ env, config }) => createScheduler(env, { api: await connectApi(env, config) }, config),
});
