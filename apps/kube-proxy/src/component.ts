import { EndpointSlices, Services } from '@orrery/api';
import type { EndpointSlice, Service } from '@orrery/api/types';
import { type ApiClient, createInformerFactory, keyOf } from '@orrery/client';
import { type Component, type Env, type Timer, latencyBuckets } from '@orrery/runtime';
import type { ServiceRule, SwitchControl } from '@orrery/vnet';
import type { KubeProxyConfig } from './config.ts';
import { dependsOnNode, serviceRules } from './rules.ts';

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
}

const serviceNameLabel = 'kubernetes.io/service-name';

function wantedNodePorts(rules: readonly ServiceRule[]): { port: number; protocol: 'TCP' | 'UDP' }[] {
  return rules.flatMap(({ match }) => ('nodePort' in match ? [{ port: match.nodePort, protocol: match.protocol }] : []));
}

export function createKubeProxy(env: Env, deps: KubeProxyDeps, config: Pick<KubeProxyConfig, 'minSyncPeriodMs'>): KubeProxy {
  const { api, nodePorts } = deps;
  const informers = createInformerFactory({ api, env });
  const services = informers.informer(Services);
  const byService = 'service';
  const slices = informers.informer(EndpointSlices, {
    indexers: { [byService]: (slice: EndpointSlice) => [`${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.[serviceNameLabel] ?? ''}`] },
  });
  const targets = new Map<string, ProxyTarget>();
  /** Rules of services whose rules are the same on every node, by service key; rebuilt when the service or its slices change. */
  const shared = new Map<string, readonly ServiceRule[]>();
  const dirty = new Set<string>();
  const syncSeconds = env.metrics.histogram('kubeproxy_sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds', latencyBuckets);
  let timer: Timer | undefined;
  let inFlight: Promise<void> = Promise.resolve();
  let synced = false;

  const rulesOf = (service: Service, nodeName: string): readonly ServiceRule[] => serviceRules(service, [...slices.byIndex(byService, keyOf(service))], { name: nodeName });

  const refreshShared = (): void => {
    for (const key of dirty) {
      const service = services.get(key);
      if (!service) shared.delete(key);
      else shared.set(key, dependsOnNode(service) ? [] : rulesOf(service, ''));
    }
    dirty.clear();
  };

  const sync = async (): Promise<void> => {
    const began = env.clock.monotonic();
    refreshShared();
    const common = [...shared.values()].flat();
    const perNode = [...services.list()].filter(dependsOnNode);
    const ruleSets = [...targets.values()].map(({ nodeName, control }) => {
      const rules = perNode.length ? [...common, ...perNode.flatMap((service) => rulesOf(service, nodeName))] : common;
      return control.setServiceRules(rules);
    });
    nodePorts?.set(wantedNodePorts([...common, ...perNode.flatMap((service) => rulesOf(service, ''))]));
    await Promise.all(ruleSets);
    syncSeconds.observe((env.clock.monotonic() - began) / 1000);
  };

  const schedule = (): void => {
    if (!synced || timer) return;
    timer = env.clock.after(config.minSyncPeriodMs, () => {
      timer = undefined;
      inFlight = inFlight.then(sync).catch((error: unknown) => {
        env.log.warn('cannot program the switch, trying again', { error });
        if (synced) timer ??= env.clock.after(1000, () => ((timer = undefined), schedule()));
      });
    });
  };

  const touch = (key: string): void => {
    dirty.add(key);
    schedule();
  };
  const touchSlice = (slice: EndpointSlice): void => touch(`${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.[serviceNameLabel] ?? ''}`);
  services.addHandlers({ add: (s) => touch(keyOf(s)), update: (s) => touch(keyOf(s)), delete: (s) => touch(keyOf(s)) });
  slices.addHandlers({
    add: touchSlice,
    update(slice, old) {
      touchSlice(old);
      touchSlice(slice);
    },
    delete: touchSlice,
  });

  return {
    name: 'kube-proxy',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      synced = true;
      await sync();
    },
    async stop() {
      synced = false;
      timer?.cancel();
      timer = undefined;
      informers.stop();
      await inFlight;
      await nodePorts?.close();
    },
    ready: () => synced,
    addNode(target) {
      targets.set(target.nodeName, target);
      schedule();
    },
    removeNode(nodeName) {
      targets.delete(nodeName);
    },
    resync: schedule,
  };
}
