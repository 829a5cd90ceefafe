import { Nodes } from '@orrery/api';
import { type ApiClient, createInformer } from '@orrery/client';
import type { HttpServer } from '@orrery/node-io';
import type { Component, Env } from '@orrery/runtime';
import { type RemoteSwitchControl, createVnetMembership } from '@orrery/vnet-link';
import type { NodePortListeners } from './component.ts';
import { createKubeProxy } from './component.ts';
import type { KubeProxyConfig } from './config.ts';
import { metricsPages, pagesHandler } from './health.ts';
import { type ServeHttp, serveAt } from './servers.ts';
import { nodePages } from './vnet/node-pages.ts';

export interface NodeProxyDeps {
  readonly api: ApiClient;
  /** The node's switch, in another process. */
  readonly control: RemoteSwitchControl;
  readonly nodePorts?: NodePortListeners;
  /** For `--healthz-bind-address` and `--metrics-bind-address`. */
  readonly serveHttp?: ServeHttp;
}

/**
 * kube-proxy of one node whose switch lives in another process: programs its rules, publishes it with the node's pod range, and
 * tells it of the switches of the other nodes. A switch that was restarted is told everything again.
 */
export function createNodeProxy(env: Env, deps: NodeProxyDeps, config: KubeProxyConfig): Component {
  const { api, control, nodePorts, serveHttp } = deps;
  const servers: (HttpServer | undefined)[] = [];
  const proxy = createKubeProxy(env, { api, ...(nodePorts ? { nodePorts } : {}) }, config);
  const shown = metricsPages(env, { mode: 'vnet', settings: { ...config } });
  const membership = createVnetMembership(env, { api, apply: (peers) => control.setPeers(peers) });
  const node = createInformer(api, Nodes, { env, fieldSelector: `metadata.name=${config.nodeName}` });
  const publish = (): void => {
    const podCidrs = node.get(config.nodeName)?.spec?.podCIDRs ?? [];
    membership.publish({ node: config.nodeName, addresses: [...config.nodeIp.split(','), ...podCidrs], endpoint: config.vnetAdvertise || config.vnetEndpoint });
  };
  node.addHandlers({ add: publish, update: publish });
  return {
    name: 'kube-proxy',
    async start(signal) {
      if (serveHttp) servers.push(await serveAt(serveHttp, config.healthzBindAddress, proxy.health.handler), await serveAt(serveHttp, config.metricsBindAddress, pagesHandler(shown)));
      control.onSession(() => {
        proxy.resync();
        membership.reapply();
        // With real addresses these ports are those of the kernel's part.
        if (config.podNetwork !== 'real') control.servePages(nodePages({ health: proxy.health.pages, metrics: shown }));
      });
      proxy.addNode({ nodeName: config.nodeName, control });
      node.start();
      await Promise.all([proxy.start(signal), membership.start(signal), node.whenSynced(signal)]);
      publish();
    },
    async stop() {
      membership.stop();
      node.stop();
      await proxy.stop();
      control.close();
      await Promise.all(servers.splice(0).map((server) => server?.close()));
    },
    ready: () => proxy.ready(),
  };
}
