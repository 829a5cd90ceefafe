import { Nodes } from '@orrery/api';
import { type ApiClient, createInformerFactory } from '@orrery/client';
import type { Component, Env } from '@orrery/runtime';
import type { NetStack, SwitchControl } from '@orrery/vnet';
import { servePages } from '@orrery/vnet-link';
import type { KubeProxyConfig } from './config.ts';
import { type ProxyHealth, createProxyHealth, metricsPages } from './health.ts';
import { createProxyMetrics } from './metrics.ts';
import { createPolicyProgrammer } from './policy/programmer.ts';
import { createSyncRunner } from './sync-runner.ts';
import { createServiceTracker } from './tracker.ts';
import { nodePages } from './vnet/node-pages.ts';
import { dnsCacheRules } from './vnet/dns-cache.ts';
import { createSwitchProgrammer } from './vnet/programmer.ts';

export { kubeProxySchema } from './config.ts';

/** One node's switch to program. */
export interface ProxyTarget {
  /** Empty for a switch that is no node (the one this machine's own listeners use): `Local` policies do not bind it. */
  readonly nodeName: string;
  readonly control: SwitchControl;
  /** The node's own network, where it is in this process: kube-proxy's ports are served there. */
  readonly host?: NetStack;
}

/** Opens node ports on this machine; see `exposeNodePorts` of the adapters. Called with all ports wanted, whenever they change. */
export interface NodePortListeners {
  set(ports: readonly { readonly port: number; readonly protocol: 'TCP' | 'UDP'; readonly family: 4 | 6 }[]): void;
  close(): Promise<void>;
}

export interface KubeProxyDeps {
  readonly api: ApiClient;
  readonly nodePorts?: NodePortListeners;
}

/** kube-proxy for one node, or for all emulated nodes of a process; nodes may come and go while it runs. */
export interface KubeProxy extends Component {
  addNode(target: ProxyTarget): void;
  removeNode(nodeName: string): void;
  /** Programs everything anew: a switch was restarted. */
  resync(): void;
  readonly health: ProxyHealth;
}

/** Twice the period in which upstream programs everything. */
const healthTimeoutMs = 60_000;
const zoneLabel = 'topology.kubernetes.io/zone';

/** With `nodeName` it follows the labels of that node alone. */
export function createKubeProxy(env: Env, deps: KubeProxyDeps, config: Pick<KubeProxyConfig, 'minSyncPeriodMs'> & { readonly featureGates?: readonly string[]; readonly nodeName?: string; readonly nodeDnsCache?: string }): KubeProxy {
  const { api, nodePorts } = deps;
  const informers = createInformerFactory({ api, env });
  const nodes = informers.informer(Nodes, config.nodeName ? { fieldSelector: `metadata.name=${config.nodeName}` } : {});
  const metrics = createProxyMetrics(env, { failures: { name: 'orrery_kubeproxy_vnet_sync_failures_total', help: 'Cumulative failures to program a switch' }, featureGates: config.featureGates ?? [] });
  const shown = metricsPages(env, { mode: 'vnet', settings: { ...config } });
  let synced = false;
  const health = createProxyHealth(env, { timeoutMs: healthTimeoutMs });
  let waiting = false;
  const served = new Map<string, () => void>();
  const request = (): void => {
    metrics.queued();
    waiting = true;
    if (synced) health.queued();
    runner.request();
  };
  const tracker = createServiceTracker(env, { informers, metrics, changed: request });
  const programmer = createSwitchProgrammer({ tracker, metrics, zoneOf: (node) => nodes.get(node)?.metadata?.labels?.[zoneLabel], ...(nodePorts ? { nodePorts } : {}), fixed: dnsCacheRules(config.nodeDnsCache) });
  const policies = createPolicyProgrammer(env, { api, informers, delayMs: config.minSyncPeriodMs });
  const runner = createSyncRunner(env, {
    delayMs: config.minSyncPeriodMs,
    what: 'the switch',
    async sync() {
      waiting = false;
      try {
        await metrics.sync(programmer.needsFull(), () => programmer.sync());
      } catch (error) {
        metrics.failed();
        throw error;
      }
      tracker.observeProgrammed();
      if (!waiting) health.updated();
    },
  });
  nodes.addHandlers({
    update(node, old) {
      if (config.nodeName) health.setNode(node);
      if (node.metadata?.labels?.[zoneLabel] === old.metadata?.labels?.[zoneLabel]) return;
      if (programmer.renew(node.metadata?.name ?? '')) request();
    },
    add: (node) => void (programmer.renew(node.metadata?.name ?? '') && request()),
  });

  return {
    name: 'kube-proxy',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      synced = true;
      runner.open();
      await policies.start(signal);
      // A switch that is out of reach is no reason to end: the runner has said so and tries again.
      await runner.now().catch(() => undefined);
    },
    async stop() {
      synced = false;
      informers.stop();
      for (const close of served.values()) close();
      served.clear();
      await policies.stop();
      await runner.close();
      await nodePorts?.close();
    },
    ready: () => synced,
    addNode(target) {
      programmer.add(target);
      policies.add(target);
      if (target.host) served.set(target.nodeName, servePages(target.host, nodePages({ health: health.pages, metrics: shown }), env.log));
      request();
    },
    removeNode(nodeName) {
      programmer.remove(nodeName);
      policies.remove(nodeName);
      served.get(nodeName)?.();
      served.delete(nodeName);
    },
    resync() {
      programmer.renewAll();
      policies.renewAll();
      request();
    },
    health,
  };
}
