import type { PodInfo } from '../../cache/pod-info.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import type { DefaultPreemptionArgs } from '../../configuration/types.ts';
import type { Candidate } from '../../framework/types.ts';
import { type NodeStatuses, type Status, fitErrorMessage, statusList, unresolvable } from '../../framework/status.ts';

const notHelpful = unresolvable('Preemption is not helpful for scheduling');

/** How many candidates are enough to choose from: a share of the nodes (percent), and no fewer than so many. */
export function candidatesWanted(nodeCount: number, { minCandidateNodesPercentage, minCandidateNodesAbsolute }: DefaultPreemptionArgs): number {
  return Math.min(nodeCount, Math.max(minCandidateNodesAbsolute, Math.floor((nodeCount * minCandidateNodesPercentage) / 100)));
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
 * Nodes on which preemption could help, or why there is none, in the words of a FitError. `offset` is where to begin among the nodes
 * that pods going away could help; the search ends early once enough candidates are known and one of them violates no budget.
 */
export function findCandidates(input: {
  readonly snapshot: Snapshot;
  readonly statuses: NodeStatuses;
  readonly args: DefaultPreemptionArgs;
  readonly offset: (count: number) => number;
  readonly dryRun: (node: NodeInfo) => Candidate | Status;
}): readonly Candidate[] | string {
  const { snapshot, statuses, dryRun } = input;
  const hopeful: NodeInfo[] = [];
  statuses.each((about, status) => {
    if (status.code !== 'Unschedulable') return;
    const node = 'generation' in about ? about : snapshot.get(about.name);
    if (node?.node) hopeful.push(node);
  });
  const wanted = candidatesWanted(hopeful.length, input.args);
  let at = hopeful.length ? input.offset(hopeful.length) : 0;
  const [harmless, violating]: [Candidate[], Candidate[]] = [[], []];
  const refused = statusList();
  for (let i = 0; i < hopeful.length; i++) {
    const node = hopeful[at] as NodeInfo;
    at = at + 1 === hopeful.length ? 0 : at + 1;
    const result = dryRun(node);
    if ('code' in result) refused.add(node, result);
    else (result.violations ? violating : harmless).push(result);
    if (harmless.length && harmless.length + violating.length >= wanted) break;
  }
  if (harmless.length + violating.length > 0) return [...harmless, ...violating];
  for (let i = refused.size; i < snapshot.nodes.length; i++) refused.add({ name: '' }, notHelpful);
  return fitErrorMessage({ nodeCount: snapshot.nodes.length, statuses: refused });
}
