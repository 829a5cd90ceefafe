import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { type Status, unschedulable } from '../framework/status.ts';
import { definePlugin, maxNodeScore } from '../framework/types.ts';

/** Everything the pod asks that the node has not left, worded as upstream; empty when it fits. */
export function insufficient(pod: PodInfo, node: NodeInfo): string[] {
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
      if (amount > 0 && amount > (allocatable.scalar?.get(name) ?? 0) - (requested.scalar?.get(name) ?? 0)) reasons.push(`Insufficient ${name}`);
    }
  }
  return reasons;
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

function leastScore(wanted: number, capacity: number): number {
  return capacity === 0 || wanted > capacity ? 0 : Math.floor(((capacity - wanted) * maxNodeScore) / capacity);
}

function mostScore(wanted: number, capacity: number): number {
  return capacity === 0 ? 0 : Math.floor((Math.min(wanted, capacity) * maxNodeScore) / capacity);
}

export interface FitArgs {
  readonly scoringStrategy?: { readonly type?: 'LeastAllocated' | 'MostAllocated'; readonly resources?: readonly { readonly name: string; readonly weight: number }[] };
}

/** Requests must fit what is allocatable; by default emptier nodes are better. */
export const nodeResourcesFit = definePlugin<FitArgs>({
  name: 'NodeResourcesFit',
  create: (_handle, args) => {
    const score = args.scoringStrategy?.type === 'MostAllocated' ? mostScore : leastScore;
    const weights = new Map((args.scoringStrategy?.resources ?? [{ name: 'cpu', weight: 1 }, { name: 'memory', weight: 1 }]).map((r) => [r.name, r.weight]));
    const [cpu, memory] = [weights.get('cpu') ?? 0, weights.get('memory') ?? 0];
    return {
      name: 'NodeResourcesFit',
      events: [
        { resource: 'AssignedPod', actions: ['Delete', 'Update'] },
        { resource: 'Node', actions: ['Add', 'Update'], hint: (pod, event) => (event.action === 'Add' || allocatableChanged(event.old, event.object) || pod.requests.scalar ? 'Queue' : 'Skip') },
      ],
      filter(_state, pod, node): Status | undefined {
        if (fits(pod, node)) return undefined;
        const reasons = insufficient(pod, node);
        return reasons.length ? unschedulable(...reasons) : undefined;
      },
      score(_state, pod, node) {
        const total = cpu + memory;
        if (total === 0) return 0;
        const byCpu = score(node.nonZeroRequested.milliCpu + pod.nonZero.milliCpu, node.allocatable.milliCpu);
        const byMemory = score(node.nonZeroRequested.memory + pod.nonZero.memory, node.allocatable.memory);
        return Math.floor((byCpu * cpu + byMemory * memory) / total);
      },
    };
  },
});

interface WithAllocatable {
  readonly status?: { readonly allocatable?: Readonly<Record<string, string>> };
}

function allocatableChanged(old: unknown, now: unknown): boolean {
  const before = (old as WithAllocatable | undefined)?.status?.allocatable ?? {};
  const after = (now as WithAllocatable | undefined)?.status?.allocatable ?? {};
  return Object.keys({ ...before, ...after }).some((name) => before[name] !== after[name]);
}
