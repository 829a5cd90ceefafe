import { readFileSync } from 'node:fs';
import { apiConnectionSchema, clientByKubeconfig, connectApi, connectApiByToken, csrSigner, runMain, takeOverSchema, withSecureServing } from '@orrery/node-io';
import { createControllerManager } from './component.ts';
import { controllerManagerSchema } from './config.ts';
import { accountClients } from './identity/account-clients.ts';
import { secretTokenSigner } from './serviceaccount/token-signer.ts';

await runMain({
  name: 'controller-manager',
  summary: 'runs the controllers that keep a cluster as its objects say',
  schema: { ...controllerManagerSchema, ...takeOverSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const { clusterSigningCertFile, clusterSigningKeyFile, rootCaFile, serviceAccountPrivateKeyFile } = config;
    const signer = clusterSigningCertFile ? csrSigner({ cert: readFileSync(clusterSigningCertFile, 'utf8'), key: readFileSync(clusterSigningKeyFile, 'utf8') }) : undefined;
    const rootCaPem = rootCaFile ? readFileSync(rootCaFile, 'utf8') : undefined;
    const tokenSigner = serviceAccountPrivateKeyFile ? secretTokenSigner(readFileSync(serviceAccountPrivateKeyFile, 'utf8')) : undefined;
    const api = connectApi(env, config, 'kube-controller-manager');
    const own = config.useServiceAccountCredentials ? { apiAs: accountClients({ api, env, connect: connectApiByToken(env, config, 'kube-controller-manager') }) } : {};
    const manager = createControllerManager(env, { api, takeOver: config.leaderElectTakeOver, ...own, rootCaPem, signer, tokenSigner }, config);
    return withSecureServing(manager, { env, settings: config, pages: manager.pages, api, connect: clientByKubeconfig(env, config, 'kube-controller-manager') });
  },
});
