import { directoryVolumeHost, diskContent, fileMounts, unixPlugins } from '@orrery/cri';
import { apiConnectionSchema, connectApi, healthAddressSchema, runMain, switchConnector, tlsMaterial, withHealthServer } from '@orrery/node-io';
import { type Component, ConfigError, startAll, stopAll } from '@orrery/runtime';
import { createCsiDisk, createDiskNode } from './component.ts';
import { csiDiskSchema } from './config.ts';

await runMain({
  name: 'csi-disk',
  summary: "CSI driver of the emulated cloud's disks: volumes, snapshots, and mounts on emulated nodes",
  schema: { ...csiDiskSchema, ...healthAddressSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const deps = { api: connectApi(env, config, 'csi-disk'), cloud: switchConnector(tlsMaterial(config))(config.cloud) };
    const { usage } = directoryVolumeHost({ stamp: () => `${env.clock.now()}` });
    const nodes = config.nodes.map((word): Component => {
      const [name = '', root = ''] = word.split(/=(.*)/s);
      if (!name || !root) throw new ConfigError(`--nodes: ${word} is not NAME=ROOT`);
      const plugins = unixPlugins(root);
      const served: { stop(): Promise<void> }[] = [];
      return {
        name: `csi-disk-${name}`,
        async start() {
          // The driver listens before it introduces itself.
          for (const [socket, services] of [...createDiskNode(env, deps, { name, usage, content: diskContent, mounts: fileMounts(root) })].reverse()) served.push(await plugins.serve(socket, services));
        },
        stop: async () => void (await Promise.all(served.splice(0).map((server) => server.stop()))),
        ready: () => true,
      };
    });
    const parts = [...nodes, ...(config.controller ? [createCsiDisk(env, deps, config)] : [])];
    const component: Component = { name: 'csi-disk', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
    return withHealthServer(component, { env, address: config.healthAddress });
  },
});
