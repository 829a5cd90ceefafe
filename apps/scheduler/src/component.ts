import { Namespaces, Nodes, PodDisruptionBudgets, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { type ApiClient, type Informer, createEventRecorder, createInformerFactory, createLeaderElection } from '@orrery/client';
import type { Component, Env } from '@orrery/runtime';
import { type PodInfo, podInfo } from './cache/pod-info.ts';
import { createSchedulerCache } from './cache/scheduler-cache.ts';
import type { SchedulerConfig } from './config.ts';
import { type Framework, createFramework } from './framework/framework.ts';
import { type PluginHandle, podKey } from './framework/types.ts';
import { watchCluster } from './cluster-events.ts';
import { createSchedulerMetrics } from './metrics.ts';
import { plugins } from './plugins/index.ts';
import { writeRefusal } from './pod-condition.ts';
import { createSchedulingQueue } from './queue/scheduling-queue.ts';
import { createScheduler as createSchedulingLoop } from './scheduler.ts';
import { watchVolumes } from './volumes/cluster-volumes.ts';

export { schedulerSchema } from './config.ts';

function pluginArgs(name: string, config: SchedulerConfig): Readonly<Record<string, unknown>> {
  return name === 'NodeResourcesFit' ? { scoringStrategy: { type: config.scoringStrategy } } : {};
}

/** Pods as they are now: the same pod, not another of its name. */
function podLookup(pods: Informer<Pod>) {
  const current = (pod: PodInfo): Pod | undefined => {
    const found = pods.get(podKey(pod.pod));
    return found?.metadata?.uid === pod.uid ? found : undefined;
  };
  const isPending = (pod: PodInfo): boolean => {
    const found = current(pod);
    return found !== undefined && !found.spec?.nodeName && !found.metadata?.deletionTimestamp;
  };
  return { current, isPending };
}

/**
 * The scheduler: watches pods and nodes, and binds each pending pod of its profile to the best node. `identity` names it in the
 * lease: one that stays the same over restarts takes its own lease back at once.
 */
export function createScheduler(env: Env, deps: { api: ApiClient; identity?: string }, config: SchedulerConfig): Component & { isLeader(): boolean } {
  const { api } = deps;
  const cache = createSchedulerCache();
  const metrics = createSchedulerMetrics(env.metrics);
  const recorder = createEventRecorder(env, { api, component: config.schedulerName });
  const informers = createInformerFactory({ api, env });
  const pods = informers.informer(Pods, { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' });
  const nodes = informers.informer(Nodes);
  const budgets = informers.informer(PodDisruptionBudgets);
  const namespaces = informers.informer(Namespaces);
  const { current, isPending } = podLookup(pods);
  const handle: PluginHandle = {
    env,
    api,
    snapshot: () => cache,
    namespaceLabels: (name) => namespaces.get(name)?.metadata?.labels,
    schedulerName: config.schedulerName,
    recorder,
    nominations: cache.nominated,
    budgets: () => [...budgets.list()],
    volumes: watchVolumes({ informers, isPending, tell: (event) => queue.onEvent(event) }),
    fits: (pod, node) => framework.fits(pod, node, { snapshot: cache, nominated: cache.nominated.on(node.name) }),
  };
  const framework: Framework = createFramework({
    schedulerName: config.schedulerName,
    plugins: plugins
      .filter(({ definition }) => !config.disabledPlugins.includes(definition.name))
      .map(({ definition, weight }) => ({ plugin: definition.create(handle, pluginArgs(definition.name, config)), weight })),
    now: () => env.clock.monotonic(),
    observe: metrics.plugin,
  });
  const queue = createSchedulingQueue({
    clock: env.clock,
    less: framework.less,
    preEnqueue: framework.preEnqueue,
    interests: (name) => framework.plugins.find(({ plugin }) => plugin.name === name)?.plugin.events ?? [],
    initialBackoffMs: config.podInitialBackoffSeconds * 1000,
    maxBackoffMs: config.podMaxBackoffSeconds * 1000,
    flushAfterMs: 300_000,
  });
  const loop = createSchedulingLoop({
    env,
    cache,
    queue,
    metrics,
    framework: (name) => (name === config.schedulerName ? framework : undefined),
    percentageOfNodesToScore: config.percentageOfNodesToScore,
    isPending,
    bound: ({ pod, key }, nodeName) => {
      recorder.event(Pods, pod, { type: 'Normal', reason: 'Scheduled', message: `Successfully assigned ${key} to ${nodeName}` });
    },
    refused: (pod, reason, message, nominatedNode) => {
      recorder.event(Pods, pod.pod, { type: 'Warning', reason: 'FailedScheduling', message });
      void writeRefusal({ env, api, pod: current(pod) ?? pod.pod, reason, message, nominatedNode });
    },
  });
  watchCluster({ pods, nodes, cache, queue, isOurs: (pod) => (pod.spec?.schedulerName || 'default-scheduler') === config.schedulerName, toInfo: podInfo });
  env.metrics.gaugeFn('scheduler_pending_pods', 'Number of pending pods.', () => Object.values(queue.counts()).reduce((a, b) => a + b, 0));

  const election = createLeaderElection(env, {
    api,
    name: 'kube-scheduler',
    identity: deps.identity ?? `${config.schedulerName}_${env.random.uuid()}`,
    onStartedLeading: () => loop.start(),
    onStoppedLeading: () => void loop.stop(),
  });
  let serving = false;
  return {
    name: 'scheduler',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      if (config.leaderElect) election.start();
      else loop.start();
      serving = true;
    },
    async stop() {
      serving = false;
      await election.stop();
      await loop.stop();
      await recorder.flush();
      queue.close();
      informers.stop();
    },
    ready: () => serving && informers.synced(),
    isLeader: () => !config.leaderElect || election.isLeader(),
  };
}
