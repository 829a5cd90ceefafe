import { Namespaces, Nodes, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { type ApiClient, type EventInput, type HttpClient, createEventRecorder, createInformerFactory, createLeaderElection, withPace } from '@orrery/client';
import type { ProgramPages } from '@orrery/node-io';
import { flagsOf } from '@orrery/node-io/z-pages';
import { type Component, type Env, featureMetric, parseGoDuration } from '@orrery/runtime';
import { type PodInfo, podInfo } from './cache/pod-info.ts';
import { createSchedulerCache } from './cache/scheduler-cache.ts';
import { watchCluster } from './cluster-events.ts';
import { type SchedulerConfig, configurationOf, unschedulableMs } from './config.ts';
import type { ExtenderTls, SchedulerConfiguration } from './configuration/types.ts';
import { createHttpExtender } from './extenders/http-extender.ts';
import { type Framework } from './framework/framework.ts';
import { type ClusterEvent, eventName } from './framework/types.ts';
import { createWaitingPods } from './framework/waiting-pods.ts';
import { type SchedulerMetrics, createSchedulerMetrics } from './metrics.ts';
import { writeRefusal } from './pod-condition.ts';
import { type ProfileDeps, createProfiles, createSources } from './profiles.ts';
import { resourceMetrics } from './resource-metrics.ts';
import { type SchedulingQueue, createSchedulingQueue } from './queue/scheduling-queue.ts';
import { createScheduler as createSchedulingLoop } from './scheduler.ts';

export { schedulerSchema } from './config.ts';
export { connectExtender, readConfiguration } from './files.ts';
export { defaultConfiguration, loadConfiguration } from './configuration/load.ts';
export type { SchedulerConfiguration } from './configuration/types.ts';
export { type Explanation, type NodeExplanation, explainPod } from './explain/explain.ts';

const defaultScheduler = 'default-scheduler';
/** How long the end waits for events to be written: a server that is away does not keep it. */
const lastWordsMs = 5_000;

export interface SchedulerDeps {
  readonly api: ApiClient;
  /** Names it in the lease: one that stays the same over restarts takes its own lease back at once. */
  readonly identity?: string;
  /** Takes the lease from whoever holds it at start. */
  readonly takeOver?: boolean;
  /** What a file said; without it, what the flags say. */
  readonly configuration?: SchedulerConfiguration;
  /** Connects to an extender; `server` is its scheme, host and port. */
  readonly connect?: (server: string, tls: ExtenderTls | undefined) => HttpClient;
}

function extendersOf(env: Env, deps: SchedulerDeps, configuration: SchedulerConfiguration) {
  const { connect } = deps;
  if (configuration.extenders.length === 0) return [];
  if (!connect) throw new Error('extenders are configured, and nothing was given to reach them by');
  return configuration.extenders.map((extender) => createHttpExtender(extender, { clock: env.clock, connect }));
}

/** Flags win over the file. */
function pacedApi({ clock }: Env, { api, configuration }: SchedulerDeps, config: SchedulerConfig): ApiClient {
  const { burst = 0, qps = 0 } = configuration?.clientConnection ?? {};
  return withPace(api, { clock, qps: config.kubeApiQps || qps, burst: config.kubeApiBurst || burst });
}

function handle(metrics: SchedulerMetrics, queue: SchedulingQueue, event: ClusterEvent): void {
  const began = metrics.now();
  queue.onEvent(event);
  metrics.handled(eventName(event), began);
}

function leaseOf({ resourceName, resourceNamespace, leaseDuration, renewDeadline, retryPeriod }: SchedulerConfiguration['leaderElection']) {
  return { name: resourceName, namespace: resourceNamespace, leaseDurationMs: parseGoDuration(leaseDuration), renewDeadlineMs: parseGoDuration(renewDeadline), retryPeriodMs: parseGoDuration(retryPeriod) };
}

function pagesOf({ config, configuration, ready, isLeader, pods }: { config: SchedulerConfig; configuration: SchedulerConfiguration; ready: () => boolean; isLeader: () => boolean; pods: () => Iterable<Pod> }): ProgramPages {
  return {
    component: 'kube-scheduler',
    ready: [{ name: 'sched-handler-sync', failure: () => (ready() ? undefined : 'handlers are not fully synchronized') }],
    flags: flagsOf({ ...config }),
    configuration: { componentconfig: configuration },
    // Of several replicas the leader tells: they would all tell the same.
    metrics: { '/metrics/resources': () => (isLeader() ? resourceMetrics([...pods()]) : '') },
  };
}

export interface Scheduler extends Component {
  isLeader(): boolean;
  /** What its port shows. */
  readonly pages: ProgramPages;
}

/** The scheduler: watches pods and nodes, and binds each pending pod of its profiles to the best node. */
export function createScheduler(env: Env, deps: SchedulerDeps, config: SchedulerConfig): Scheduler {
  const configuration = deps.configuration ?? configurationOf(config);
  const api = pacedApi(env, deps, config);
  const cache = createSchedulerCache();
  const informers = createInformerFactory({ api, env });
  const waitingPods = createWaitingPods(env.clock);
  const extenders = extendersOf(env, deps, configuration);
  // Events come from the profile of their pod.
  const recorders = new Map(configuration.profiles.map(({ schedulerName }) => [schedulerName, createEventRecorder(env, { api, component: schedulerName })]));
  const record = ({ pod }: PodInfo, event: EventInput): void => recorders.get(pod.spec?.schedulerName || defaultScheduler)?.event(Pods, pod, event);
  const profileDeps: ProfileDeps = { env, api, cache, informers, waitingPods, extenders, recorders, configuration, tell: (event) => handle(metrics, queue, event), observe: (...args) => metrics.plugin(...args) };
  const sources = createSources(profileDeps);
  const profiles = createProfiles(profileDeps, sources);
  featureMetric(env.metrics, config.featureGates);
  const metrics = createSchedulerMetrics(env.metrics, { now: () => env.clock.monotonic(), nextCycle: () => profiles.nextCycle() });
  const frameworkOf = (pod: Pod): Framework | undefined => profiles.get(pod.spec?.schedulerName || defaultScheduler);
  const queue = createSchedulingQueue({
    clock: env.clock,
    less: profiles.less,
    preEnqueue: (info) => frameworkOf(info.pod)?.preEnqueue(info),
    interests: (name, { pod }) => profiles.interests(pod.spec?.schedulerName || defaultScheduler, name),
    matters: profiles.matters,
    initialBackoffMs: configuration.podInitialBackoffSeconds * 1000,
    maxBackoffMs: configuration.podMaxBackoffSeconds * 1000,
    flushAfterMs: unschedulableMs(config),
    incoming: (name, event) => metrics.incoming(name, event),
    hinted: metrics.hinted,
  });
  const loop = createSchedulingLoop({
    env,
    cache,
    queue,
    metrics,
    extenders,
    waitingPods,
    framework: (name) => profiles.get(name),
    isPending: sources.isPending,
    bound: (pod, nodeName) => {
      record(pod, { type: 'Normal', reason: 'Scheduled', message: `Successfully assigned ${pod.key} to ${nodeName}` });
      if (env.log.isDebugging?.()) env.log.debug('bound a pod', { pod: pod.key, node: nodeName });
    },
    refused: (pod, reason, message, nominatedNode) => {
      record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
      if (env.log.isDebugging?.()) env.log.debug('no node for a pod', { pod: pod.key, reason, message, ...(nominatedNode ? { nominatedNode } : {}) });
      void writeRefusal({ env, api, pod: sources.current(pod) ?? pod.pod, reason, message, nominatedNode });
    },
  });
  watchCluster({ pods: sources.pods, nodes: informers.informer(Nodes), cache, queue, waitingPods, isOurs: (pod) => frameworkOf(pod) !== undefined, toInfo: podInfo, handled: metrics.handled, now: metrics.now });
  // Labels of namespaces are part of what affinity terms come to.
  informers.informer(Namespaces).addHandlers({ add: () => cache.deltas.restart(), update: () => cache.deltas.restart(), delete: () => cache.deltas.restart() });
  const cacheSize = (): Record<string, number> => ({ nodes: cache.nodes.length, pods: cache.podCount(), assumed_pods: cache.assumedCount() });
  metrics.watch({ pending: () => queue.counts(), refused: () => profiles.countRefused(queue.refused()), cache: cacheSize, inFlight: () => queue.inFlight(), binding: () => loop.binding() });

  const { leaderElection } = configuration;
  const leaderElect = config.leaderElect && leaderElection.leaderElect;
  const election = createLeaderElection(env, {
    api,
    takeOver: deps.takeOver ?? false,
    ...leaseOf(leaderElection),
    identity: deps.identity ?? `${configuration.profiles[0]?.schedulerName ?? defaultScheduler}_${env.random.uuid()}`,
    onStartedLeading: () => loop.start(),
    onStoppedLeading: () => void loop.stop(),
  });
  let serving = false;
  const ready = (): boolean => serving && informers.synced();
  const isLeader = (): boolean => !leaderElect || election.isLeader();
  return {
    name: 'scheduler',
    pages: pagesOf({ config, configuration, ready, isLeader, pods: () => sources.pods.list() }),
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      if (leaderElect) election.start();
      else loop.start();
      serving = true;
    },
    async stop() {
      serving = false;
      await election.stop();
      await loop.stop();
      const told = new AbortController();
      const late = env.clock.sleep(lastWordsMs, told.signal).catch(() => undefined);
      await Promise.race([late, Promise.all([...recorders.values()].map((recorder) => recorder.flush()))]);
      told.abort();
      queue.close();
      informers.stop();
      for (const extender of extenders) extender.close();
    },
    ready,
    isLeader,
  };
}
