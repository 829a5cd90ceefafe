import { readFileSync } from 'node:fs';
import { apiConnectionSchema, clientByKubeconfig, connectApi, createHttpClient, runMain, takeOverSchema, withSecureServing } from '@orrery/node-io';
import { connectExtender, readConfiguration } from './files.ts';
import { createScheduler } from './component.ts';
import { schedulerSchema } from './config.ts';

const read = (path: string): string => readFileSync(path, 'utf8');

await runMain({
  name: 'scheduler',
  summary: 'places pods on nodes',
  schema: { ...schedulerSchema, ...takeOverSchema, ...apiConnectionSchema },
  create: async ({ env, config }) => {
    const configuration = readConfiguration(config.config, read);
    const kubeconfig = config.kubeconfig || configuration?.clientConnection?.kubeconfig || '';
    const api = await connectApi(env, { ...config, kubeconfig, ...(configuration?.clientConnection?.kubeconfig && !config.kubeconfig ? { apiTransport: 'rest' as const } : {}) }, 'kube-scheduler');
    const scheduler = createScheduler(env, { api, takeOver: config.leaderElectTakeOver, connect: connectExtender(read, createHttpClient), ...(configuration ? { configuration } : {}) }, config);
    return withSecureServing(scheduler, { env, settings: config, pages: scheduler.pages, api, connect: clientByKubeconfig(env, config, 'kube-scheduler') });
  },
});
