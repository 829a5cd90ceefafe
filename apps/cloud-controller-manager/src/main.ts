import { apiConnectionSchema, clientByKubeconfig, connectApi, runMain, switchConnector, takeOverSchema, tlsMaterial, withSecureServing } from '@orrery/node-io';
import { createCloudControllerManager } from './component.ts';
import { cloudControllerManagerSchema } from './config.ts';

await runMain({
  name: 'cloud-controller-manager',
  summary: 'connects the cluster to the cloud it runs on',
  schema: { ...cloudControllerManagerSchema, ...takeOverSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const api = connectApi(env, config, 'cloud-controller-manager');
    const manager = createCloudControllerManager(env, { takeOver: config.leaderElectTakeOver, api, cloud: switchConnector(tlsMaterial(config))(config.cloud) }, config);
    return withSecureServing(manager, { env, settings: config, pages: manager.pages, api, connect: clientByKubeconfig(env, config, 'cloud-controller-manager') });
  },
});
