import type { PodDisruptionBudget } from '@orrery/api/types';
import { timeMs } from '@orrery/apimachinery';
import { type NodeInfo, addPod, copyNodeInfo, removePod } from '../../cache/node-info.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import { type Status, unresolvable } from '../../framework/status.ts';
import type { Candidate } from '../../framework/types.ts';
import { splitByBudget } from './budgets.ts';

/** Milliseconds since the epoch; a pod that has not started counts as the youngest. */
function startedMs({ pod }: PodInfo): number {
  return (pod.status?.startTime && timeMs(pod.status.startTime)) || Number.POSITIVE_INFINITY;
}

/** Higher priority first, then those that have run longest. */
export function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  const [first, second] = [startedMs(a), startedMs(b)];
  return first === second ? 0 : first - second;
}

/**
 * The fewest pods to take off a node so that the pod fits: all of lower priority go, then as many as possible come back,
 * first those whose budget would be violated, each group from the most important on. `fits` looks at a changed copy.
 */
export function selectVictims(input: {
  readonly pod: PodInfo;
  readonly node: NodeInfo;
  readonly budgets: readonly PodDisruptionBudget[];
  readonly fits: (pod: PodInfo, node: NodeInfo) => Status | undefined;
}): Candidate | Status {
  const { pod, budgets, fits } = input;
  const lower = [...input.node.pods.values()].filter((other) => other.priority < pod.priority).sort(byImportance);
  if (lower.length === 0) return unresolvable('No preemption victims found for incoming pod');
  const node = copyNodeInfo(input.node);
  for (const other of lower) removePod(node, other.uid);
  const refusal = fits(pod, node);
  if (refusal) return refusal;
  const { violating, harmless } = splitByBudget(lower, budgets);
  const mustGo = (other: PodInfo): boolean => {
    addPod(node, other);
    if (!fits(pod, node)) return false;
    removePod(node, other.uid);
    return true;
  };
  const overBudget = violating.filter(mustGo);
  const victims = [...overBudget, ...harmless.filter(mustGo)].sort(byImportance);
  return { nodeName: node.name, victims, violations: overBudget.length };
}

/** Makes each victim count even when its priority is negative. */
const priorityOffset = 2 ** 31;

/** Candidates are kept from pod to pod, and what they cost with them. */
const costsOf = new WeakMap<Candidate, number[]>();

/** Smaller is better; compared from the first to the last. */
function costs(candidate: Candidate): number[] {
  const known = costsOf.get(candidate);
  if (known) return known;
  const { victims, violations } = candidate;
  const highest = victims[0]?.priority ?? 0;
  const sum = victims.reduce((total, victim) => total + victim.priority + priorityOffset, 0);
  const earliest = Math.min(...victims.filter((victim) => victim.priority === highest).map(startedMs));
  const found = [violations, highest, sum, victims.length, -earliest];
  costsOf.set(candidate, found);
  return found;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  return false;
}

/** The candidate that hurts least; among equals the first. */
export function leastHarm(candidates: readonly Candidate[]): Candidate | undefined {
  let best: { candidate: Candidate; cost: number[] } | undefined;
  for (const candidate of candidates) {
    const cost = costs(candidate);
    if (!best || isLess(cost, best.cost)) best = { candidate, cost };
  }
  return best?.candidate;
}
