import { apiConnectionSchema, connectApi, runMain, switchConnector, tlsMaterial } from '@orrery/node-io';
import { createCloudControllerManager } from './component.ts';
import { cloudControllerManagerSchema } from './config.ts';

await runMain({
  name: 'cloud-controller-manager',
  summary: 'connects the cluster to the cloud it runs on',
  schema: { ...cloudControllerManagerSchema, ...apiConnectionSchema },
  create: ({ env, config }) => createCloudControllerManager(env, { api: connectApi(env, config), cloud: switchConnector(tlsMaterial(config))(config.cloud) }, config),
});
