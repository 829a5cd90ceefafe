import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { CoschedulingArgs } from '../configuration/types.ts';
import { livePods } from '../live-pods.ts';
import { skip, unresolvable } from '../framework/status.ts';
import { type ClusterEvent, definePlugin } from '../framework/types.ts';

const name = 'Coscheduling';
const indexName = 'pod-group';

/** The label of the scheduler-plugins project, and its older form. */
const groupLabels = ['scheduling.x-k8s.io/pod-group', 'pod-group.scheduling.sigs.k8s.io/name'];
const minimumKeys = ['scheduling.x-k8s.io/min-available', 'pod-group.scheduling.sigs.k8s.io/min-available'];

interface Group {
  readonly key: string;
  /** This many pods are placed together, or none. */
  readonly minimum: number;
}

/** The group a pod says it is of, by label, with the minimum by label or annotation; undefined for most pods. */
export function groupOf({ metadata }: Pod): Group | undefined {
  const { labels = {}, annotations = {}, namespace = '' } = metadata ?? {};
  const group = groupLabels.map((label) => labels[label]).find(Boolean);
  if (!group) return undefined;
  const text = minimumKeys.map((key) => annotations[key] ?? labels[key]).find(Boolean) ?? '';
  const minimum = /^\d+$/.test(text) ? Number(text) : 1;
  return { key: `${namespace}/${group}`, minimum };
}

/** Gang scheduling: Permit holds the pods of a group back until as many as its minimum have a place; when time is up, all lose theirs. */
export const coscheduling = definePlugin<CoschedulingArgs>({
  name,
  create({ informers, waitingPods }, { permitWaitingTimeSeconds }) {
    const pods = informers.informer(Pods, { ...livePods, indexers: { [indexName]: (pod: Pod) => [groupOf(pod)?.key ?? ''].filter(Boolean) } });
    /** By group: pods with a place that the informer need not show yet. */
    const reserved = new Map<string, Set<string>>();
    const members = (key: string): Pod[] => [...pods.byIndex(indexName, key)].filter(({ metadata }) => !metadata?.deletionTimestamp);
    const release = (key: string, uid: string): void => {
      const uids = reserved.get(key);
      uids?.delete(uid);
      if (uids?.size === 0) reserved.delete(key);
    };
    const placed = (key: string): number => {
      const shown = members(key).flatMap(({ metadata, spec }) => (spec?.nodeName ? [metadata?.uid ?? ''] : []));
      for (const uid of shown) release(key, uid);
      return shown.length + (reserved.get(key)?.size ?? 0);
    };
    const waitingOf = (key: string) => [...waitingPods.list()].filter(({ pod }) => groupOf(pod.pod)?.key === key);
    const sameGroup = ({ pod }: { pod: Pod }, { object }: ClusterEvent): 'Queue' | 'Skip' => (groupOf(object as Pod)?.key === groupOf(pod)?.key ? 'Queue' : 'Skip');
    return {
      name,
      events: [
        { resource: 'Pod', actions: ['Add', 'Update'], hint: sameGroup },
        { resource: 'AssignedPod', actions: ['Add'], hint: sameGroup },
        // Room for one may be room for all.
        { resource: 'AssignedPod', actions: ['Delete'] },
        { resource: 'Node', actions: ['Add', 'Update'] },
      ],
      preFilter(_state, { pod }) {
        const group = groupOf(pod);
        if (!group) return skip;
        const count = members(group.key).length;
        if (count >= group.minimum) return skip;
        return unresolvable(`pre-filter pod ${pod.metadata?.name ?? ''} cannot find enough sibling pods, current pods number: ${count}, minMember of group: ${group.minimum}`);
      },
      reserve(_state, { pod, uid }) {
        const group = groupOf(pod);
        if (!group) return undefined;
        const uids = reserved.get(group.key);
        if (uids) uids.add(uid);
        else reserved.set(group.key, new Set([uid]));
        return undefined;
      },
      permit(_state, { pod }) {
        const group = groupOf(pod);
        if (!group) return undefined;
        if (placed(group.key) < group.minimum) return { waitMs: permitWaitingTimeSeconds * 1000 };
        for (const waiting of waitingOf(group.key)) waiting.allow(name);
        return undefined;
      },
      unreserve(_state, { pod, uid }) {
        const group = groupOf(pod);
        if (!group || !reserved.get(group.key)?.has(uid)) return;
        release(group.key, uid);
        for (const waiting of waitingOf(group.key)) waiting.reject(name, `rejected because another pod of pod group ${group.key} lost its place`);
      },
    };
  },
});
