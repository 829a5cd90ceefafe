import { readFileSync } from 'node:fs';
import { apiConnectionSchema, connectApi, csrSigner, runMain, withHealthServer } from '@orrery/node-io';
import { createControllerManager } from './component.ts';
import { controllerManagerSchema } from './config.ts';

await runMain({
  name: 'controller-manager',
  summary: 'runs the controllers that keep a cluster as its objects say',
  schema: { ...controllerManagerSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const { clusterSigningCertFile, clusterSigningKeyFile, rootCaFile } = config;
    const signer = clusterSigningCertFile ? csrSigner({ cert: readFileSync(clusterSigningCertFile, 'utf8'), key: readFileSync(clusterSigningKeyFile, 'utf8') }) : undefined;
    const rootCaPem = rootCaFile ? readFileSync(rootCaFile, 'utf8') : undefined;
    const manager = createControllerManager(env, { api: connectApi(env, config), rootCaPem, signer }, config);
    return withHealthServer(manager, { env, address: config.healthAddress });
  },
});
