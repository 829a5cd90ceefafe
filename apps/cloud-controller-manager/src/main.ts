import { apiConnectionSchema, connectApi, healthAddressSchema, runMain, switchConnector, takeOverSchema, tlsMaterial, withHealthServer } from '@orrery/node-io';
import { createCloudControllerManager } from './component.ts';
import { cloudControllerManagerSchema } from './config.ts';

await runMain({
  name: 'cloud-controller-manager',
  summary: 'connects the cluster to the cloud it runs on',
  schema: { ...cloudControllerManagerSchema, ...healthAddressSchema, ...takeOverSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const manager = createCloudControllerManager(env, { takeOver: config.leaderElectTakeOver, api: connectApi(env, config, 'cloud-controller-manager'), cloud: switchConnector(tlsMaterial(config))(config.cloud) }, config);
    return withHealthServer(manager, { env, address: config.healthAddress });
  },
});
