import type { Pod } from '@orrery/api/types';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { podRequests } from '../cache/resources.ts';
import type { NodeResourcesFitArgs } from '../configuration/types.ts';
import type { ExtendedResources } from '../framework/extended-resources.ts';
import { type Status, unresolvable, unschedulable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';
import { strategyScore } from './resource-scores.ts';

/** Extended resources that something else looks after. */
type Ignored = (name: string) => boolean;

const none: Ignored = () => false;

interface Exceptions {
  readonly ignored?: Ignored;
  readonly extended?: ExtendedResources | undefined;
}

/** A node that does not have a resource itself may meet it with devices: DynamicResources judges. */
const isOfDevices = (name: string, { allocatable }: NodeInfo, extended: ExtendedResources | undefined): boolean => extended !== undefined && (allocatable.scalar?.get(name) ?? 0) <= 0 && extended.classOf(name) !== undefined;

/** Everything the pod asks that the node has not left, worded as upstream; empty when it fits. */
export function insufficient(pod: PodInfo, node: NodeInfo, { ignored = none, extended }: Exceptions = {}): string[] {
  const reasons: string[] = [];
  const { requests } = pod;
  const { allocatable, requested } = node;
  if (node.pods.size + 1 > node.allowedPods) reasons.push('Too many pods');
  if (requests.milliCpu > 0 && requests.milliCpu > allocatable.milliCpu - requested.milliCpu) reasons.push('Insufficient cpu');
  if (requests.memory > 0 && requests.memory > allocatable.memory - requested.memory) reasons.push('Insufficient memory');
  if (requests.ephemeralStorage > 0 && requests.ephemeralStorage > allocatable.ephemeralStorage - requested.ephemeralStorage) {
    reasons.push('Insufficient ephemeral-storage');
  }
  if (requests.scalar) {
    for (const [name, amount] of requests.scalar) {
      if (amount <= 0 || ignored(name) || isOfDevices(name, node, extended)) continue;
      if (amount > (allocatable.scalar?.get(name) ?? 0) - (requested.scalar?.get(name) ?? 0)) reasons.push(`Insufficient ${name}`);
    }
  }
  return reasons;
}

/** The node would be too small even if it were empty: no preemption helps. */
function neverFits({ requests }: PodInfo, node: NodeInfo, { ignored = none, extended }: Exceptions): boolean {
  const { allocatable } = node;
  if (requests.milliCpu > allocatable.milliCpu || requests.memory > allocatable.memory || requests.ephemeralStorage > allocatable.ephemeralStorage) return true;
  if (requests.scalar) for (const [name, amount] of requests.scalar) if (!ignored(name) && !isOfDevices(name, node, extended) && amount > (allocatable.scalar?.get(name) ?? 0)) return true;
  return false;
}

function fits(pod: PodInfo, node: NodeInfo): boolean {
  const { requests } = pod;
  const { allocatable, requested } = node;
  return (
    requests.scalar === undefined &&
    node.pods.size < node.allowedPods &&
    requests.milliCpu <= Math.max(0, allocatable.milliCpu - requested.milliCpu) &&
    requests.memory <= Math.max(0, allocatable.memory - requested.memory) &&
    requests.ephemeralStorage <= Math.max(0, allocatable.ephemeralStorage - requested.ephemeralStorage)
  );
}

function ignoredBy({ ignoredResources = [], ignoredResourceGroups = [] }: NodeResourcesFitArgs): Ignored {
  if (ignoredResources.length + ignoredResourceGroups.length === 0) return none;
  const [names, groups] = [new Set(ignoredResources), new Set(ignoredResourceGroups)];
  return (name) => names.has(name) || groups.has(name.split('/')[0] ?? '');
}

/** One status object for each combination of reasons: they are counted over thousands of nodes. */
function createRefusals(): (reasons: readonly string[], hopeless: boolean) => Status {
  const known = new Map<string, Status>();
  return (reasons, hopeless) => {
    const key = `${hopeless ? '!' : ''}${reasons.join('|')}`;
    let found = known.get(key);
    if (!found) known.set(key, (found = (hopeless ? unresolvable : unschedulable)(...reasons)));
    return found;
  };
}

/** Requests must fit what is allocatable; by default emptier nodes are better. */
export const nodeResourcesFit = definePlugin<NodeResourcesFitArgs>({
  name: 'NodeResourcesFit',
  create: ({ extended }, args) => {
    const exceptions: Exceptions = { ignored: ignoredBy(args), extended };
    const score = strategyScore(args.scoringStrategy);
    const refusal = createRefusals();
    return {
      name: 'NodeResourcesFit',
      local: true,
      events: [
        { resource: 'AssignedPod', actions: ['Delete'] },
        { resource: 'AssignedPod', actions: ['Update'], hint: (_pod, event) => (asksLess(event.old as Pod, event.object as Pod) ? 'Queue' : 'Skip') },
        { resource: 'DeviceClass', actions: ['Add', 'Update'], hint: (pod) => (pod.requests.scalar ? 'Queue' : 'Skip') },
        { resource: 'Node', actions: ['Add', 'Update'], hint: (pod, event) => (event.action === 'Add' || allocatableChanged(event.old, event.object) || pod.requests.scalar ? 'Queue' : 'Skip') },
      ],
      filter(_state, pod, node): Status | undefined {
        if (fits(pod, node)) return undefined;
        const reasons = insufficient(pod, node, exceptions);
        return reasons.length ? refusal(reasons, neverFits(pod, node, exceptions)) : undefined;
      },
      score: (_state, pod, node) => score(pod, node),
    };
  },
});

/** A pod was resized so that it leaves more to others. */
function asksLess(old: Pod, now: Pod): boolean {
  const [before, after] = [podRequests(old), podRequests(now)];
  if (after.milliCpu < before.milliCpu || after.memory < before.memory || after.ephemeralStorage < before.ephemeralStorage) return true;
  return [...(before.scalar ?? [])].some(([name, amount]) => (after.scalar?.get(name) ?? 0) < amount);
}

interface WithAllocatable {
  readonly status?: { readonly allocatable?: Readonly<Record<string, string>> };
}

function allocatableChanged(old: unknown, now: unknown): boolean {
  const before = (old as WithAllocatable | undefined)?.status?.allocatable ?? {};
  const after = (now as WithAllocatable | undefined)?.status?.allocatable ?? {};
  return Object.keys({ ...before, ...after }).some((name) => before[name] !== after[name]);
}
