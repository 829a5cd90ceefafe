import type { Node, Pod, Service } from '@orrery/api/types';
import { podInfo } from '../cache/pod-info.ts';
import { createSchedulerCache } from '../cache/scheduler-cache.ts';
import { type ClusterEvent, type Plugin, type PluginDefinition, type PluginHandle, isStatus } from '../framework/types.ts';

type Labels = Record<string, string>;

/** Test objects: `a` in `zone-1` is a node with those labels. */
export function trialNode(name: string, labels: Labels = {}, spec: Node['spec'] = {}): Node {
  return { metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } }, spec, status: { allocatable: { pods: '110' } } };
}

export function trialPod(name: string, labels: Labels, more: { namespace?: string; spec?: Partial<NonNullable<Pod['spec']>>; deleting?: boolean } = {}): Pod {
  const { namespace = 'default', spec = {}, deleting } = more;
  return {
    metadata: { name, namespace, uid: `${namespace}/${name}`, labels, ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
    spec: { containers: [], ...spec },
  };
}

export interface Trial {
  readonly nodes: readonly Node[];
  /** By node name. */
  readonly pods: Readonly<Record<string, readonly Pod[]>>;
  readonly namespaces?: Readonly<Record<string, Labels>>;
  readonly services?: readonly Service[];
}

/** As much of the informers as plugins of services ask for. */
function informersOf(services: readonly Service[]): PluginHandle['informers'] {
  const informer = { addHandlers: () => ({ remove: () => undefined }), byIndex: (_index: string, namespace: string) => services.filter(({ metadata }) => metadata?.namespace === namespace).values() };
  return { informer: () => informer } as unknown as PluginHandle['informers'];
}

/** Runs one plugin over a cluster, without the rest of the scheduler: tests only. */
export function tryPlugin<Args>(definition: PluginDefinition<Args>, trial: Trial, args: Args) {
  const cache = createSchedulerCache();
  for (const node of trial.nodes) cache.setNode(node);
  for (const [name, pods] of Object.entries(trial.pods)) for (const pod of pods) cache.setPod(podInfo(pod), name);
  const handle: Partial<PluginHandle> = { snapshot: () => cache, informers: informersOf(trial.services ?? []), tell: () => undefined, namespaceLabels: (name) => trial.namespaces?.[name] };
  const plugin: Plugin = definition.create(handle as PluginHandle, args);
  return {
    cache,
    /** Reasons by node name; '' where the pod may go; 'Skip' when the plugin stays out of it. */
    filter(pod: Pod): 'Skip' | Record<string, string> {
      const [state, info] = [new Map<string, unknown>(), podInfo(pod)];
      const result = plugin.preFilter?.(state, info, cache);
      if (isStatus(result)) {
        if (result.code === 'Skip') return 'Skip';
        return Object.fromEntries(cache.nodes.map(({ name }) => [name, result.reasons.join()]));
      }
      return Object.fromEntries(cache.nodes.map((node) => [node.name, plugin.filter?.(state, info, node)?.reasons.join() ?? '']));
    },
    /** Normalised scores by node name. */
    score(pod: Pod): 'Skip' | Record<string, number> {
      const [state, info] = [new Map<string, unknown>(), podInfo(pod)];
      if (plugin.preScore?.(state, info, cache.nodes)?.code === 'Skip') return 'Skip';
      const scores = cache.nodes.map((node) => plugin.score?.(state, info, node) ?? 0);
      plugin.normalize?.(state, info, scores, cache.nodes);
      return Object.fromEntries(cache.nodes.map(({ name }, i) => [name, scores[i] ?? 0]));
    },
    /** Whether the event brings a refused pod back. */
    helps(pod: Pod, event: ClusterEvent): boolean {
      const interests = (plugin.events ?? []).filter(({ resource, actions }) => resource === event.resource && actions.includes(event.action));
      return interests.some(({ hint }) => !hint || hint(podInfo(pod), event) === 'Queue');
    },
  };
}
