import { Nodes } from '@orrery/api';
import { type ApiClient, createInformerFactory } from '@orrery/client';
import type { Component, Env } from '@orrery/runtime';
import type { SwitchControl } from '@orrery/vnet';
import type { KubeProxyConfig } from './config.ts';
import { createProxyMetrics } from './metrics.ts';
import { createPolicyProgrammer } from './policy/programmer.ts';
import { createSyncRunner } from './sync-runner.ts';
import { createServiceTracker } from './tracker.ts';
import { createSwitchProgrammer } from './vnet/programmer.ts';

export { kubeProxySchema } from './config.ts';

/** One node's switch to program. */
export interface ProxyTarget {
  /** Empty for a switch that is no node (the one this machine's own listeners use): `Local` policies do not bind it. */
  readonly nodeName: string;
  readonly control: SwitchControl;
}

/** Opens node ports on this machine; see `exposeNodePorts` of the adapters. Called with all ports wanted, whenever they change. */
export interface NodePortListeners {
  set(ports: readonly { readonly port: number; readonly protocol: 'TCP' | 'UDP' }[]): void;
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
  /** When the rules were last as they should be (ms of the wall clock), and since when a change waits. For `/healthz`. */
  lastSynced(): number;
  queuedSince(): number | undefined;
}

const zoneLabel = 'topology.kubernetes.io/zone';

/** With `nodeName` it follows the labels of that node alone. */
export function createKubeProxy(env: Env, deps: KubeProxyDeps, config: Pick<KubeProxyConfig, 'minSyncPeriodMs'> & { readonly nodeName?: string }): KubeProxy {
  const { api, nodePorts } = deps;
  const informers = createInformerFactory({ api, env });
  const nodes = informers.informer(Nodes, config.nodeName ? { fieldSelector: `metadata.name=${config.nodeName}` } : {});
  const metrics = createProxyMetrics(env, { failures: { name: 'orrery_kubeproxy_vnet_sync_failures_total', help: 'Cumulative failures to program a switch' } });
  let synced = false;
  let lastSynced = 0;
  let queuedSince: number | undefined;
  const request = (): void => {
    metrics.queued();
    if (synced) queuedSince ??= env.clock.now();
    runner.request();
  };
  const tracker = createServiceTracker(env, { informers, metrics, changed: request });
  const programmer = createSwitchProgrammer({ tracker, metrics, zoneOf: (node) => nodes.get(node)?.metadata?.labels?.[zoneLabel], ...(nodePorts ? { nodePorts } : {}) });
  const policies = createPolicyProgrammer(env, { api, informers, delayMs: config.minSyncPeriodMs });
  const runner = createSyncRunner(env, {
    delayMs: config.minSyncPeriodMs,
    what: 'the switch',
    async sync() {
      queuedSince = undefined;
      try {
        await metrics.sync(programmer.needsFull(), () => programmer.sync());
      } catch (error) {
        metrics.failed();
        queuedSince ??= env.clock.now();
        throw error;
      }
      tracker.observeProgrammed();
      lastSynced = env.clock.now();
    },
  });
  nodes.addHandlers({
    update(node, old) {
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
      await runner.now();
      await policies.start(signal);
    },
    async stop() {
      synced = false;
      informers.stop();
      await policies.stop();
      await runner.close();
      await nodePorts?.close();
    },
    ready: () => synced,
    addNode(target) {
      programmer.add(target);
      policies.add(target);
      request();
    },
    removeNode(nodeName) {
      programmer.remove(nodeName);
      policies.remove(nodeName);
    },
    resync() {
      programmer.renewAll();
      policies.renewAll();
      request();
    },
    lastSynced: () => lastSynced,
    queuedSince: () => queuedSince,
  };
}
