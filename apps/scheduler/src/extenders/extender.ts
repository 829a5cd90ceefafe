import type { Logger } from '@orrery/runtime';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { type Status, unresolvable, unschedulable } from '../framework/status.ts';
import { type Candidate, maxNodeScore } from '../framework/types.ts';

/** The highest score an extender gives (upstream's MaxExtenderPriority). */
const maxExtenderScore = 10;

/** What an extender leaves of the nodes it is asked about. */
export interface ExtenderFilterResult {
  readonly nodes: readonly NodeInfo[];
  /** Reasons by node name. */
  readonly failed: Readonly<Record<string, string>>;
  /** As `failed`, where preemption cannot help. */
  readonly unresolvable: Readonly<Record<string, string>>;
}

/** A program beside the scheduler that has a say: which nodes will do, which are better, which pods may be preempted, and who binds. */
export interface Extender {
  readonly name: string;
  /** The scheduler goes on without it when it fails. */
  readonly ignorable: boolean;
  readonly weight: number;
  /** It manages a resource that the pod asks for, or has something to say about all pods. */
  interested(pod: PodInfo): boolean;
  filter?(pod: PodInfo, nodes: readonly NodeInfo[]): Promise<ExtenderFilterResult>;
  /** 0…10 by node name. */
  prioritize?(pod: PodInfo, nodes: readonly NodeInfo[]): Promise<ReadonlyMap<string, number>>;
  preempt?(pod: PodInfo, candidates: readonly Candidate[], nodes: (name: string) => NodeInfo | undefined): Promise<readonly Candidate[]>;
  bind?(pod: PodInfo, nodeName: string): Promise<Status | undefined>;
}

/** One extender after the other narrows the nodes. Rejects with the error of one that is not ignorable. */
export async function filterByExtenders(
  extenders: readonly Extender[],
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  tell: { refused: (node: NodeInfo, status: Status) => void; log: Logger },
): Promise<readonly NodeInfo[]> {
  let left = nodes;
  for (const extender of extenders) {
    if (left.length === 0) break;
    if (!extender.filter) continue;
    try {
      const { nodes: kept, failed, unresolvable: hopeless } = await extender.filter(pod, left);
      for (const node of left) {
        const [never, no] = [hopeless[node.name], failed[node.name]];
        if (never !== undefined) tell.refused(node, unresolvable(never));
        else if (no !== undefined) tell.refused(node, unschedulable(no));
      }
      left = kept;
    } catch (error) {
      if (!extender.ignorable) throw error;
      tell.log.warn('Skipping extender as it returned error and has ignorable flag set', { extender: extender.name, error });
    }
  }
  return left;
}

/** Adds the extenders' weighted scores, brought to the scale of plugins. Those that fail are left out, as upstream. */
export async function scoreByExtenders(extenders: readonly Extender[], pod: PodInfo, nodes: readonly NodeInfo[], into: { totals: Float64Array; log: Logger }): Promise<void> {
  const asked = extenders.filter((extender) => extender.prioritize);
  const answers = await Promise.all(
    asked.map(async (extender) => {
      try {
        return { weight: extender.weight, scores: await extender.prioritize?.(pod, nodes) };
      } catch (error) {
        into.log.warn('Failed to run extender priority function', { extender: extender.name, pod: pod.key, error });
        return undefined;
      }
    }),
  );
  for (const answer of answers) {
    if (!answer?.scores) continue;
    for (let i = 0; i < nodes.length; i++) {
      const score = answer.scores.get((nodes[i] as NodeInfo).name) ?? 0;
      into.totals[i] = (into.totals[i] as number) + score * answer.weight * (maxNodeScore / maxExtenderScore);
    }
  }
}

/** One extender after the other narrows the nodes to preempt on. */
export async function preemptByExtenders(
  extenders: readonly Extender[],
  pod: PodInfo,
  candidates: readonly Candidate[],
  about: { node: (name: string) => NodeInfo | undefined; log: Logger },
): Promise<readonly Candidate[]> {
  let left = candidates;
  for (const extender of extenders) {
    if (!extender.preempt || !extender.interested(pod)) continue;
    if (left.length === 0) break;
    try {
      left = await extender.preempt(pod, left, about.node);
    } catch (error) {
      if (!extender.ignorable) throw error;
      about.log.warn('Skipped extender as it returned error and has ignorable flag set', { extender: extender.name, error });
    }
  }
  return left;
}
