import { Namespaces, PodDisruptionBudgets, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ApiClient, EventRecorder, Informer, InformerFactory } from '@orrery/client';
import { ConfigError, type Env } from '@orrery/runtime';
import type { PodInfo } from './cache/pod-info.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { defaultArgs } from './configuration/plugin-args.ts';
import { namedPlugins, profilePlugins } from './configuration/profile.ts';
import type { ProfileConfiguration, SchedulerConfiguration } from './configuration/types.ts';
import { type Extender, preemptByExtenders } from './extenders/extender.ts';
import { FollowedResources } from './framework/extended-resources.ts';
import { type CycleTimer, createCycleTimer } from './framework/cycle-timer.ts';
import { type Framework, createFramework } from './framework/framework.ts';
import { type ClusterEvent, type EventInterest, type Plugin, type PluginDefinition, type PluginHandle, type QueuedPod } from './framework/types.ts';
import type { WaitingPods } from './framework/waiting-pods.ts';
import { livePods } from './live-pods.ts';
import { defaultPlugins, definitions } from './plugins/index.ts';
import { type ClusterVolumes, watchVolumes } from './volumes/cluster-volumes.ts';

export interface ProfileDeps {
  readonly env: Env;
  readonly api: ApiClient;
  readonly cache: SchedulerCache;
  readonly informers: InformerFactory;
  readonly waitingPods: WaitingPods;
  readonly extenders: readonly Extender[];
  /** By the name of the profile; without one its events are dropped. */
  readonly recorders: ReadonlyMap<string, Pick<EventRecorder, 'event'>>;
  readonly configuration: SchedulerConfiguration;
  readonly tell: (event: ClusterEvent) => void;
  readonly observe: (plugin: string, point: string, seconds: number, result: unknown) => void;
}

/** What the scheduler watches for all profiles. */
export interface Sources {
  readonly pods: Informer<Pod>;
  readonly volumes: ClusterVolumes;
  /** The pod as it is now: the same pod, not another of its name. */
  current(pod: PodInfo): Pod | undefined;
  /** It exists, has no node, and is not being deleted. */
  isPending(pod: PodInfo): boolean;
}

export function createSources({ informers, tell }: Pick<ProfileDeps, 'informers' | 'tell'>): Sources {
  const pods = informers.informer(Pods, livePods);
  const current = (pod: PodInfo): Pod | undefined => {
    const found = pods.get(pod.key);
    return found?.metadata?.uid === pod.uid ? found : undefined;
  };
  const isPending = (pod: PodInfo): boolean => {
    const found = current(pod);
    return found !== undefined && !found.spec?.nodeName && !found.metadata?.deletionTimestamp;
  };
  return { pods, current, isPending, volumes: watchVolumes({ informers, isPending, tell }) };
}

/** Everything beside a pod's profile that plugins of it are made from. */
export interface Profiles {
  get(schedulerName: string): Framework | undefined;
  less(a: QueuedPod, b: QueuedPod): boolean;
  interests(schedulerName: string, plugin: string): readonly EventInterest[];
  /** Some plugin wants to hear of such events. */
  matters(event: ClusterEvent): boolean;
  nextCycle(): void;
  countRefused(pods: Iterable<QueuedPod>): Iterable<readonly [plugin: string, profile: string, pods: number]>;
}

const noInterests: readonly EventInterest[] = [];

function argsOf(plugin: string, { pluginConfig }: ProfileConfiguration, { extenders }: SchedulerConfiguration): Readonly<Record<string, unknown>> {
  const args = pluginConfig.find(({ name }) => name === plugin)?.args ?? defaultArgs(plugin);
  if (plugin !== 'NodeResourcesFit') return args;
  // Resources that extenders look after.
  const theirs = extenders.flatMap(({ managedResources = [] }) => managedResources.filter(({ ignoredByScheduler }) => ignoredByScheduler).map(({ name }) => name));
  return theirs.length ? { ...args, ignoredResources: [...((args['ignoredResources'] as readonly string[] | undefined) ?? []), ...theirs] } : args;
}

function createProfile(deps: ProfileDeps, sources: Sources, profile: ProfileConfiguration): { framework: Framework; timer: CycleTimer } {
  const { env, api, cache, informers, configuration, extenders } = deps;
  const { schedulerName } = profile;
  const namespaces = informers.informer(Namespaces);
  const budgets = informers.informer(PodDisruptionBudgets);
  const preempting = extenders.some((extender) => extender.preempt);
  const extended = new FollowedResources();
  const handle: PluginHandle = {
    env,
    api,
    informers,
    tell: deps.tell,
    snapshot: () => cache,
    namespaceLabels: (name) => namespaces.get(name)?.metadata?.labels,
    schedulerName,
    recorder: deps.recorders.get(schedulerName) ?? { event: () => undefined },
    nominations: cache.nominated,
    extended,
    budgets: () => [...budgets.list()],
    volumes: sources.volumes,
    waitingPods: deps.waitingPods,
    fits: (pod, node) => framework.fits(pod, node, { snapshot: cache, nominated: cache.nominated.on(node.name) }),
    localFits: (pod) => framework.localFits(pod, { snapshot: cache, nominated: cache.nominated }),
    ...(preempting ? { narrowCandidates: (pod, candidates) => preemptByExtenders(extenders, pod, candidates, { node: (name) => cache.get(name), log: env.log }) } : {}),
  };
  const byName = new Map<string, PluginDefinition<any>>(definitions.map((definition) => [definition.name, definition]));
  const plugins = new Map<string, Plugin>();
  for (const name of namedPlugins(defaultPlugins, profile.plugins)) {
    const plugin = byName.get(name)?.create(handle, argsOf(name, profile, configuration));
    if (plugin) plugins.set(name, plugin);
  }
  const timer = createCycleTimer({ now: () => env.clock.monotonic(), plugin: deps.observe });
  const percentageOfNodesToScore = profile.percentageOfNodesToScore ?? configuration.percentageOfNodesToScore ?? 0;
  const framework: Framework = createFramework({ schedulerName, percentageOfNodesToScore, extended, plugins, at: profilePlugins(defaultPlugins, profile.plugins, plugins), timer, waitingPods: deps.waitingPods });
  return { framework, timer };
}

/** Throws ConfigError for profiles that cannot be. */
export function createProfiles(deps: ProfileDeps, sources: Sources): Profiles {
  const timers: CycleTimer[] = [];
  const frameworks = new Map<string, Framework>();
  for (const profile of deps.configuration.profiles) {
    try {
      const { framework, timer } = createProfile(deps, sources, profile);
      frameworks.set(profile.schedulerName, framework);
      timers.push(timer);
    } catch (error) {
      throw new ConfigError(`initializing profiles: creating profile for scheduler name ${profile.schedulerName}: ${(error as Error).message}`);
    }
  }
  const [first] = frameworks.values();
  if (!first) throw new ConfigError('initializing profiles: at least one profile is required');
  const interests = new Map<string, Map<string, readonly EventInterest[]>>();
  const wanted = new Map<ClusterEvent['resource'], Set<ClusterEvent['action']>>();
  for (const [schedulerName, { plugins }] of frameworks) {
    const ofProfile = new Map<string, readonly EventInterest[]>();
    interests.set(schedulerName, ofProfile);
    for (const { name, events = [] } of plugins) {
      ofProfile.set(name, events);
      for (const { resource, actions } of events) wanted.set(resource, new Set([...(wanted.get(resource) ?? []), ...actions]));
    }
  }
  return {
    get: (schedulerName) => frameworks.get(schedulerName),
    less: first.less,
    interests: (schedulerName, plugin) => interests.get(schedulerName)?.get(plugin) ?? noInterests,
    matters: ({ resource, action }) => wanted.get(resource)?.has(action) ?? false,
    nextCycle() {
      for (const timer of timers) timer.next();
    },
    *countRefused(pods) {
      const counts = new Map<string, [string, string, number]>();
      for (const { info, refusedBy } of pods) {
        const profile = info.pod.spec?.schedulerName || 'default-scheduler';
        for (const plugin of refusedBy) {
          const key = `${profile}/${plugin}`;
          const count = counts.get(key);
          if (count) count[2] += 1;
          else counts.set(key, [plugin, profile, 1]);
        }
      }
      yield* counts.values();
    },
  };
}
