import { apiConnectionSchema, appendState, balancerNetwork, connectApi, folderContents, runMain, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import { startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch } from '@orrery/vnet-link';
import { createCloud } from './component.ts';
import { cloudSchema } from './config.ts';

await runMain({
  name: 'cloud',
  summary: 'the emulated cloud provider: instances, disks, routes, load balancers',
  schema: { ...cloudSchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const tls = tlsMaterial(config);
    const own = createOwnSwitch(env, {
      api: connectApi(env, config),
      name: 'cloud',
      address: config.address,
      listen: config.vnetListen,
      advertiseHost: config.vnetAdvertiseHost,
      connect: switchConnector(tls),
      ...(tls ? { tls } : {}),
    });
    const state = config.stateFile ? { state: appendState(config.stateFile) } : {};
    const contents = config.diskDir ? { contents: folderContents(config.diskDir) } : {};
    const cloud = createCloud(env, { network: balancerNetwork(own.net), ...state, ...contents, ...(tls ? { tls } : {}) }, config);
    const parts = [own, cloud];
    return { name: 'cloud', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
  },
});
