import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type ApiClient, type InformerFactory, createInformerFactory } from '@orrery/client';
import { type Shell, createConntrack, createNft, createSysctl } from '@orrery/linux';
import type { HttpServer } from '@orrery/node-io';
import { type Component, type Env, type Timer, latencyBuckets } from '@orrery/runtime';
import type { HealthPort } from '@orrery/vnet';
import type { KubeProxyConfig } from '../config.ts';
import { type LinuxSettings, linuxSettings } from '../configuration/settings.ts';
import { createProxyHealth, metricsHandler } from '../health.ts';
import { type ProxyMetrics, createProxyMetrics } from '../metrics.ts';
import { type ProxyNode, type Routing, endpointsOf, route } from '../model/endpoints.ts';
import { servicePorts } from '../model/service-port.ts';
import { createPolicyBackEnd } from '../nftables/policy-back-end.ts';
import { createPolicyProgrammer } from '../policy/programmer.ts';
import { type HealthPortServers, type ServeHttp, createHealthPortServers, serveAt } from '../servers.ts';
import { createSyncRunner } from '../sync-runner.ts';
import { type ServiceTracker, createServiceTracker } from '../tracker.ts';
import type { BackEnd } from './back-end.ts';
import { applyConntrackSettings, conntrackSettings } from './conntrack-settings.ts';
import { removeStaleFlows } from './conntrack.ts';
import { createBackEnd, whyNotMode, workingFamilies, workingMode } from './select.ts';

export interface LinuxProxyDeps {
  readonly api: ApiClient;
  readonly shell: Shell;
  readonly serveHttp: ServeHttp;
}

const zoneLabel = 'topology.kubernetes.io/zone';
const internalIps = (node: Node | undefined): string[] => (node?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);

/** Keeps what the kernel has like what the API server says; one at a time. */
interface Synchronizer {
  sync(): Promise<void>;
  /** The next sync programs everything. */
  renew(): void;
  readonly full: boolean;
}

interface SynchronizerParts {
  readonly tracker: ServiceTracker;
  readonly metrics: ProxyMetrics;
  readonly backEnd: BackEnd;
  readonly settings: LinuxSettings;
  readonly node: () => ProxyNode;
  readonly shell: Shell;
  readonly health: HealthPortServers;
}

function createSynchronizer(env: Env, { tracker, metrics, backEnd, settings, node, shell, health }: SynchronizerParts): Synchronizer {
  const current = new Map<string, { routings: readonly Routing[]; health: readonly HealthPort[] }>();
  const conntrack = createConntrack(shell);
  const removed = env.metrics.counter('kubeproxy_conntrack_reconciler_deleted_entries_total', 'Cumulative conntrack flows deleted by conntrack reconciler');
  const cleaning = env.metrics.histogram('kubeproxy_conntrack_reconciler_sync_duration_seconds', 'ReconcileConntrackFlowsLatency latency in seconds', latencyBuckets);
  let full = true;
  let conntrackWorks = true;

  const routingsOf = (key: string): { routings: readonly Routing[]; health: readonly HealthPort[] } | undefined => {
    const found = tracker.get(key);
    if (!found) return undefined;
    const here = node();
    const ports = servicePorts(found.service).filter(({ family }) => settings.families.includes(family)).map((port) => ({ port, endpoints: endpointsOf(port, found.slices) }));
    const number = ports[0]?.port.healthCheckNodePort;
    const local = new Set(ports.flatMap(({ endpoints }) => endpoints.filter((e) => e.ready && e.nodeName === here.name).map((e) => e.ip)));
    const { namespace = '', name = '' } = found.service.metadata ?? {};
    return {
      routings: ports.map(({ port, endpoints }) => route(port, endpoints, here)),
      health: number ? [{ port: number, namespace, service: name, localEndpoints: local.size }] : [],
    };
  };
  const cleanFlows = async (routings: readonly Routing[]): Promise<void> => {
    if (!conntrackWorks) return;
    const began = env.clock.monotonic();
    try {
      removed.inc({}, await removeStaleFlows(conntrack, { families: settings.families, routings }));
    } catch (error) {
      conntrackWorks = false;
      env.log.warn('cannot remove flows of UDP to endpoints that are gone: clients that go on sending keep them', { error });
    }
    cleaning.observe((env.clock.monotonic() - began) / 1000);
  };
  return {
    renew: () => void (full = true),
    get full() {
      return full;
    },
    async sync() {
      const keys = tracker.take();
      const wasFull = full;
      if (full) for (const key of tracker.keys()) keys.add(key);
      if (full) current.clear();
      const changes = new Map<string, readonly Routing[]>();
      for (const key of keys) {
        const found = routingsOf(key);
        changes.set(key, found?.routings ?? []);
        if (found?.routings.length) current.set(key, found);
        else current.delete(key);
      }
      full = true;
      await backEnd.sync({ full: wasFull, services: changes });
      full = false;
      await health.set([...current.values()].flatMap((service) => service.health));
      const without = [...current.values()].flatMap(({ routings }) => routings.filter(({ hasAny, local }) => hasAny && !local.length));
      metrics.noLocalEndpoints('internal', without.filter(({ port }) => port.internalLocal).length);
      metrics.noLocalEndpoints('external', without.filter(({ port }) => port.externalLocal).length);
      await cleanFlows([...changes.values()].flat());
    },
  };
}

/** kube-proxy of the node that this machine is: programs its kernel. */
export function createLinuxProxy(env: Env, deps: LinuxProxyDeps, config: KubeProxyConfig & { readonly nodeName: string }): Component {
  const { api, shell, serveHttp } = deps;
  const { nodeName } = config;
  const informers: InformerFactory = createInformerFactory({ api, env });
  const nodes = informers.informer(Nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const metrics = createProxyMetrics(env, { failures: failureMetric(config.proxyMode), featureGates: config.featureGates });
  const servers: (HttpServer | undefined)[] = [];
  let stopParts: (() => Promise<void>)[] = [];
  let ready = false;
  let request = (): void => undefined;
  const tracker = createServiceTracker(env, { informers, metrics, changed: () => request() });

  const self = (): ProxyNode => {
    const zone = nodes.get(nodeName)?.metadata?.labels?.[zoneLabel];
    return { name: nodeName, ...(zone ? { zone } : {}) };
  };

  const run = async (signal?: AbortSignal): Promise<void> => {
    const node = nodes.get(nodeName);
    const facts = { ips: internalIps(node), podCidrs: node?.spec?.podCIDRs ?? [] };
    const settings: LinuxSettings = { ...linuxSettings(config, facts), families: await workingFamilies(shell) };
    const mode = await workingMode(shell, { wanted: settings.mode, ipvsScheduler: settings.ipvsScheduler, log: env.log });
    await applyConntrackSettings(conntrackSettings(config), { shell, sysctl: createSysctl(shell), log: env.log });
    const backEnd = createBackEnd(mode, { shell, node: self(), nodeIps: facts.ips, settings });
    const health = createProxyHealth(env, { timeoutMs: 2 * settings.syncPeriodMs });
    const healthPorts = createHealthPortServers(env, { serve: serveHttp, healthy: () => health.healthy });
    const synchronizer = createSynchronizer(env, { tracker, metrics, backEnd, settings, node: self, shell, health: healthPorts });
    let waiting = true;
    const runner = createSyncRunner(env, {
      delayMs: settings.minSyncPeriodMs,
      what: `the kernel (${mode})`,
      async sync() {
        waiting = false;
        try {
          await metrics.sync(synchronizer.full, () => synchronizer.sync());
        } catch (error) {
          metrics.failed();
          throw error;
        }
        tracker.observeProgrammed();
        if (!waiting) health.updated();
      },
    });
    request = () => {
      waiting = true;
      metrics.queued();
      health.queued();
      runner.request();
    };
    const renew = (): void => {
      synchronizer.renew();
      request();
    };
    if (node) health.setNode(node);
    nodes.addHandlers({
      update(now, before) {
        health.setNode(now);
        if (now.metadata?.labels?.[zoneLabel] !== before.metadata?.labels?.[zoneLabel]) renew();
      },
    });
    servers.push(await serveAt(serveHttp, settings.healthzBindAddress, health.handler), await serveAt(serveHttp, settings.metricsBindAddress, metricsHandler(env, { mode, settings: { ...config } })));
    runner.open();
    await runner.now();
    const repair: Timer | undefined = backEnd.repairs ? env.clock.every(settings.syncPeriodMs, renew) : undefined;
    const policies = await startPolicies(env, { api, informers, shell, nodeName, delayMs: settings.minSyncPeriodMs, localPods: config.podNetwork === 'real', signal });
    stopParts = [
      async () => repair?.cancel(),
      async () => policies?.(),
      () => runner.close(),
      () => healthPorts.close(),
    ];
    env.log.info('services are programmed', { mode });
  };

  return {
    name: 'kube-proxy',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      await run(signal);
      ready = true;
    },
    async stop() {
      ready = false;
      informers.stop();
      for (const stop of stopParts) await stop();
      await Promise.all(servers.splice(0).map((server) => server?.close()));
    },
    ready: () => ready,
  };
}

interface PolicyParts {
  readonly api: ApiClient;
  readonly informers: InformerFactory;
  readonly shell: Shell;
  readonly nodeName: string;
  readonly delayMs: number;
  /** Pods' addresses are the node's own. */
  readonly localPods: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Network policies need nftables, whatever the mode of services. Returns what ends them; undefined where the machine has none. */
async function startPolicies(env: Env, { api, informers, shell, nodeName, delayMs, localPods, signal }: PolicyParts): Promise<(() => Promise<void>) | undefined> {
  const why = await whyNotMode(shell, 'nftables', '');
  if (why !== undefined) {
    env.log.warn('network policies are not enforced: they need nftables', { reason: why });
    return undefined;
  }
  const programmer = createPolicyProgrammer(env, { api, informers, delayMs });
  programmer.add({ nodeName, control: createPolicyBackEnd(createNft(shell), { localPods }) });
  await programmer.start(signal);
  return () => programmer.stop();
}

function failureMetric(mode: string): { name: string; help: string } {
  if (mode === 'nftables') return { name: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total', help: 'Cumulative proxy nftables sync failures' };
  return { name: 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total', help: 'Cumulative proxy iptables restore failures' };
}

/** Removes what any mode of the kernel has programmed on this machine. */
export async function cleanUpAll(shell: Shell, settings: LinuxSettings): Promise<void> {
  for (const mode of ['iptables', 'nftables', 'ipvs'] as const) {
    if ((await whyNotMode(shell, mode, settings.ipvsScheduler)) !== undefined) continue;
    await createBackEnd(mode, { shell, node: { name: '' }, nodeIps: [], settings }).cleanUp();
  }
}
