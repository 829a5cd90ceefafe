import { EndpointSlices, Namespaces, NetworkPolicies, Pods } from '@orrery/api';
import type { EndpointSlice, Namespace, Pod } from '@orrery/api/types';
import { type ApiClient, type Informer, type InformerFactory, createInformer } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { PodPolicy, PolicyProtocol, SwitchControl } from '@orrery/vnet';
import { createSyncRunner } from '../sync-runner.ts';
import { type CompiledPolicies, type PolicyPod, compilePolicies, narrow } from './compile.ts';

/** What enforces the policies of one node's pods. */
export interface PolicyTarget {
  readonly nodeName: string;
  readonly control: Pick<SwitchControl, 'setPolicies'>;
}

/** Watches NetworkPolicies and has switches enforce them. Pods and namespaces are watched only while there is a policy. */
export interface PolicyProgrammer {
  /** Does not wait for policies: a cluster whose kube-proxy may not read them works without. */
  start(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  add(target: PolicyTarget): void;
  remove(nodeName: string): void;
  /** Programs all switches anew. */
  renewAll(): void;
}

/** A compilation takes at most this share of the time. */
const restFactor = 4;
const maxRestMs = 1_000;

/** Undefined for what policies do not see: pods of the host's network, without an address, or finished. */
export function policyPod({ metadata, spec, status }: Pod): PolicyPod | undefined {
  if (spec?.hostNetwork || status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const ips = status?.podIPs?.map(({ ip }) => ip ?? '') ?? (status?.podIP ? [status.podIP] : []);
  if (!ips.length) return undefined;
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...(spec?.containers ?? []), ...sidecars].flatMap((container) => container.ports ?? []);
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    nodeName: spec?.nodeName ?? '',
    labels: metadata?.labels ?? {},
    ips,
    ports: ports.map(({ name = '', protocol = 'TCP', containerPort }) => ({ name, protocol: protocol as PolicyProtocol, port: containerPort })),
  };
}

/** The cluster's DNS servers where they are no pods: policies mean them when they name the pods that upstream has. */
function dnsPod(slices: Iterable<EndpointSlice>): PolicyPod[] {
  const found = [...slices].filter(({ metadata }) => metadata?.namespace === 'kube-system' && metadata.labels?.['kubernetes.io/service-name'] === 'kube-dns');
  const ips = found.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses, targetRef }) => (targetRef?.kind === 'Pod' ? [] : addresses)));
  const ports = (found[0]?.ports ?? []).map(({ name = '', protocol = 'TCP', port = 0 }) => ({ name, protocol: protocol as PolicyProtocol, port }));
  return ips.length ? [{ namespace: 'kube-system', name: 'kube-dns', nodeName: '', labels: { 'k8s-app': 'kube-dns' }, ips, ports }] : [];
}

interface Watched {
  readonly pods: Informer<Pod>;
  readonly namespaces: Informer<Namespace>;
}

interface Options {
  readonly api: ApiClient;
  readonly informers: InformerFactory;
  readonly delayMs: number;
}

const samePolicyPod = (a: Pod, b: Pod): boolean => JSON.stringify(policyPod(a)) === JSON.stringify(policyPod(b));

export function createPolicyProgrammer(env: Env, { api, informers, delayMs }: Options): PolicyProgrammer {
  const policies = createInformer(api, NetworkPolicies, { env });
  const slices = informers.informer(EndpointSlices);
  const seconds = env.metrics.gauge('orrery_kubeproxy_network_policies_sync_seconds', 'Time that the last compilation of all network policies took');
  const targets = new Map<string, { target: PolicyTarget; pods: number; stale: boolean }>();
  let watched: Watched | undefined;
  let restUntil = 0;

  const changed = (): void => {
    if (policies.synced()) runner.request();
  };
  const watch = (): Watched => {
    if (watched) return watched;
    const pods = createInformer(api, Pods, { env });
    const namespaces = createInformer(api, Namespaces, { env });
    pods.addHandlers({ add: changed, delete: changed, update: (pod, old) => void (samePolicyPod(pod, old) || changed()) });
    namespaces.addHandlers({ add: changed, delete: changed, update: changed });
    pods.start();
    namespaces.start();
    return (watched = { pods, namespaces });
  };
  const unwatch = (): void => {
    watched?.pods.stop();
    watched?.namespaces.stop();
    watched = undefined;
  };

  const compile = async (): Promise<CompiledPolicies> => {
    const all = [...policies.list()];
    if (!all.length) {
      unwatch();
      return { rules: [], pods: [] };
    }
    const { pods, namespaces } = watch();
    await Promise.all([pods.whenSynced(closing.signal), namespaces.whenSynced(closing.signal)]);
    const began = env.clock.monotonic();
    const compiled = compilePolicies({
      policies: all,
      pods: [...[...pods.list()].flatMap((pod) => policyPod(pod) ?? []), ...dnsPod(slices.list())],
      namespaces: new Map([...namespaces.list()].map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}])),
    });
    const took = env.clock.monotonic() - began;
    seconds.set(took / 1000);
    restUntil = env.clock.monotonic() + Math.min(maxRestMs, took * restFactor);
    return compiled;
  };

  const sync = async (): Promise<void> => {
    const rest = restUntil - env.clock.monotonic();
    if (rest > 0) await env.clock.sleep(rest, closing.signal);
    const { rules, pods } = await compile();
    const byNode = Map.groupBy(pods, ({ nodeName }) => nodeName);
    const alone = [...targets.keys()].filter((name) => name !== '').length <= 1;
    const tell = async (nodeName: string, state: { target: PolicyTarget; pods: number; stale: boolean }): Promise<void> => {
      const here: readonly PodPolicy[] = byNode.get(nodeName) ?? [];
      if (!here.length && !state.pods && !state.stale) return;
      state.stale = true;
      await state.target.control.setPolicies(alone ? narrow(rules, here) : { rules, pods: here });
      state.pods = here.length;
      state.stale = false;
    };
    const results = await Promise.allSettled([...targets].map(([nodeName, state]) => tell(nodeName, state)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  };

  const closing = new AbortController();
  const runner = createSyncRunner(env, { delayMs, sync, what: 'network policies' });
  policies.addHandlers({ add: changed, update: changed, delete: changed });
  slices.addHandlers({
    add: (slice) => void (watched && isDns(slice) && changed()),
    update: (slice) => void (watched && isDns(slice) && changed()),
  });
  return {
    start() {
      policies.start();
      runner.open();
      void policies.whenSynced(closing.signal).then(changed, () => undefined);
      return Promise.resolve();
    },
    async stop() {
      const closed = runner.close();
      closing.abort(new Error('kube-proxy stops'));
      policies.stop();
      unwatch();
      await closed;
    },
    add(target) {
      targets.set(target.nodeName, { target, pods: 0, stale: false });
      changed();
    },
    remove: (nodeName) => void targets.delete(nodeName),
    renewAll() {
      for (const state of targets.values()) state.stale = true;
      changed();
    },
  };
}

function isDns({ metadata }: EndpointSlice): boolean {
  return metadata?.namespace === 'kube-system' && metadata.labels?.['kubernetes.io/service-name'] === 'kube-dns';
}
