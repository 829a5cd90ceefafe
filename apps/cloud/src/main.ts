import { readFileSync } from 'node:fs';
import { apiConnectionSchema, appendState, balancerNetwork, blobFolder, connectApi, folderContents, runMain, serveHttp, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import { ConfigError, startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch } from '@orrery/vnet-link';
import { createCloud } from './component.ts';
import { cloudSchema } from './config.ts';
import { registryUsers } from './registry/users.ts';

await runMain({
  name: 'cloud',
  summary: 'the emulated cloud provider: instances, disks, routes, load balancers, image registry',
  schema: { ...cloudSchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const tls = tlsMaterial(config);
    const own = createOwnSwitch(env, {
      api: connectApi(env, config, 'cloud'),
      name: 'cloud',
      address: config.address,
      listen: config.vnetListen,
      advertiseHost: config.vnetAdvertiseHost,
      connect: switchConnector(tls),
      ...(tls ? { tls } : {}),
    });
    const state = config.stateFile ? { state: appendState(config.stateFile) } : {};
    const contents = config.diskDir ? { contents: folderContents(config.diskDir) } : {};
    const users = registryUsers(config.registryUsersFile ? readFileSync(config.registryUsersFile, 'utf8') : '');
    if (Boolean(config.registryCertFile) !== Boolean(config.registryKeyFile)) throw new ConfigError('--registry-cert-file and --registry-key-file are needed together');
    const pair = config.registryCertFile ? { tls: { cert: readFileSync(config.registryCertFile, 'utf8'), key: readFileSync(config.registryKeyFile, 'utf8') } } : {};
    const registry = config.registryDir ? { registry: { blobs: blobFolder(config.registryDir), serve: serveHttp, users, ...pair } } : {};
    const cloud = createCloud(env, { network: balancerNetwork(own.net), ...state, ...contents, ...registry, ...(tls ? { tls } : {}) }, config);
    const parts = [own, cloud];
    return { name: 'cloud', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
  },
});
