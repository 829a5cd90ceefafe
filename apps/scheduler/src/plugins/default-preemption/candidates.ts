import type { PodInfo } from '../../cache/pod-info.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type NodeStatuses, type Status, fitErrorMessage, statusList, unresolvable } from '../../framework/status.ts';
import { type Candidate, leastHarm } from './victims.ts';

const minCandidatesPercent = 10;
const minCandidates = 100;

const notHelpful = unresolvable('Preemption is not helpful for scheduling');

/** How many candidates are enough to choose from: 10 % of the nodes, at least 100. */
export function candidatesWanted(nodeCount: number): number {
  return Math.min(nodeCount, Math.max(minCandidates, Math.floor((nodeCount * minCandidatesPercent) / 100)));
}

/** Being removed to make room for a pod. */
function isTerminatingByPreemption({ pod }: PodInfo): boolean {
  if (!pod.metadata?.deletionTimestamp) return false;
  const condition = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler';
}

/** Why a pod may not preempt (now), or undefined. `nominated` is the node it waits for, `status` what the filters said of it. */
export function ineligible(pod: PodInfo, nominated: NodeInfo | undefined, status: Status | undefined): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  if (!nominated || status?.code === 'UnschedulableAndUnresolvable') return undefined;
  for (const other of nominated.pods.values()) {
    if (other.priority < pod.priority && isTerminatingByPreemption(other)) return 'not eligible due to a terminating pod on the nominated node.';
  }
  return undefined;
}

/**
 * The best node to preempt on, or why there is none, in the words of a FitError. `offset` is where to begin among the nodes that
 * pods going away could help; the search ends early once enough candidates are known and one of them violates no budget.
 */
export function findCandidate(input: {
  readonly snapshot: Snapshot;
  readonly statuses: NodeStatuses;
  readonly offset: (count: number) => number;
  readonly dryRun: (node: NodeInfo) => Candidate | Status;
}): Candidate | string {
  const { snapshot, statuses, dryRun } = input;
  const after = new Map<string, Status>();
  const hopeful: NodeInfo[] = [];
  for (const node of snapshot.nodes) {
    if (statuses.get(node.name)?.code === 'Unschedulable') hopeful.push(node);
    else after.set(node.name, notHelpful);
  }
  const wanted = candidatesWanted(hopeful.length);
  const first = hopeful.length ? input.offset(hopeful.length) : 0;
  const [harmless, violating]: [Candidate[], Candidate[]] = [[], []];
  for (let i = 0; i < hopeful.length; i++) {
    const node = hopeful[(first + i) % hopeful.length] as NodeInfo;
    const result = dryRun(node);
    if ('code' in result) after.set(node.name, result);
    else (result.violations ? violating : harmless).push(result);
    if (harmless.length && harmless.length + violating.length >= wanted) break;
  }
  return leastHarm([...harmless, ...violating]) ?? fitErrorMessage({ nodeCount: snapshot.nodes.length, statuses: after });
}
