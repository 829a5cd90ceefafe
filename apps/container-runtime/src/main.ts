import { mkdirSync, rmSync } from 'node:fs';
import { DirectoryTree, fileLogSink, inNodeRoot, makeNodeSkeleton, mountedTree, mountsOf, tmpfsAt } from '@orrery/cri';
import { createHostEdge, dialHost, dialTlsOver, runMain, serveHttp, serveTlsOver, serveUnaryOver, switchConnector, tlsMaterial } from '@orrery/node-io';
import { containerRuntimeSchema } from './config.ts';
import type { MountSource } from './cri/mounts.ts';
import { hostTree } from './fs/host-tree.ts';
import { createStandaloneNode, standaloneNodeSchema } from './node/standalone-node.ts';

await runMain({
  name: 'container-runtime',
  summary: 'one emulated node: containers (CRI v1) and the switch they are plugged into',
  schema: { ...containerRuntimeSchema, ...standaloneNodeSchema },
  create({ env, config, faults }) {
    makeNodeSkeleton(config.nodeRoot, { hostname: config.node, ip: config.nodeIp.split(',')[0] ?? '' });
    const locate = (path: string): string => inNodeRoot(config.nodeRoot, path);
    const tls = tlsMaterial(config);
    const logs = fileLogSink(locate);
    const treeAt = (path: string): { real: string; tree: DirectoryTree } => {
      const real = locate(path);
      return { real, tree: mountedTree(() => mountsOf(config.nodeRoot), { path, real }) ?? new DirectoryTree(real, tmpfsAt(locate('/'), real)) };
    };
    const mounts: MountSource = {
      open(path) {
        const { real, tree } = treeAt(path);
        if (!tree.stat([])) mkdirSync(real, { recursive: true });
        return hostTree(tree);
      },
      find(path) {
        const { tree } = treeAt(path);
        return tree.stat([]) && hostTree(tree);
      },
    };
    // A socket that a killed process left behind.
    if (config.listen.startsWith('unix://')) rmSync(config.listen.slice('unix://'.length), { force: true });
    const node = createStandaloneNode(env, { mounts, logs, serveHttp, dialTls: dialTlsOver, servers: { tls: serveTlsOver, unary: serveUnaryOver }, tls, connect: switchConnector(tls), dialHost, hostEdge: (at) => createHostEdge({ ...at, log: env.log }) }, config);
    faults.followLinks(node.links);
    return node;
  },
});
