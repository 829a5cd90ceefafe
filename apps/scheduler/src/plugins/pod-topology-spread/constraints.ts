import type { Pod, TopologySpreadConstraint } from '@orrery/api/types';
import { type Selector, makeRequirement, nothing, selectorFromObject, selectorOf } from '@orrery/apimachinery';
import { narrowed } from '../../cache/label-index.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { matchesRequiredAffinity } from '../node-selector.ts';
import { isTolerated } from '../tolerations.ts';

export const hostnameKey = 'kubernetes.io/hostname';

/** A topology spread constraint with its selector parsed and its defaults filled in. */
export interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: Selector;
  /** Nodes that the pod's own node affinity excludes are no domains. */
  readonly honorAffinity: boolean;
  /** Nor are those with taints it does not tolerate. */
  readonly honorTaints: boolean;
}

export type WhenUnsatisfiable = 'DoNotSchedule' | 'ScheduleAnyway';

/** `matchLabelKeys` narrow the selector to the pod's own values; keys the pod lacks are left out. */
function selectorFor(constraint: TopologySpreadConstraint, labels: Readonly<Record<string, string>>): Selector {
  const selector = selectorFromObject(constraint.labelSelector);
  if (selector === nothing) return nothing;
  const own = (constraint.matchLabelKeys ?? []).flatMap((key) => (labels[key] === undefined ? [] : makeRequirement(key, '=', [labels[key]])));
  return own.length ? selectorOf([...selector.requirements, ...own]) : selector;
}

/** The constraints of one kind, with their defaults filled in. */
export function parseConstraints(constraints: readonly TopologySpreadConstraint[], when: WhenUnsatisfiable, selectorOfOne: (constraint: TopologySpreadConstraint) => Selector): Constraint[] {
  const found: Constraint[] = [];
  for (const constraint of constraints) {
    if (constraint.whenUnsatisfiable !== when) continue;
    found.push({
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      selector: selectorOfOne(constraint),
      honorAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
      honorTaints: (constraint.nodeTaintsPolicy ?? 'Ignore') === 'Honor',
    });
  }
  return found;
}

/** The pod's own constraints of one kind. Throws SelectorError. */
export function constraintsOf(pod: Pod, when: WhenUnsatisfiable): Constraint[] {
  return parseConstraints(pod.spec?.topologySpreadConstraints ?? [], when, (constraint) => selectorFor(constraint, pod.metadata?.labels ?? {}));
}

export function hasAllKeys(labels: Readonly<Record<string, string>>, constraints: readonly Constraint[]): boolean {
  return constraints.every(({ topologyKey }) => labels[topologyKey] !== undefined);
}

/** The node counts for the constraint, by its inclusion policies. */
export function isEligible(constraint: Constraint, pod: Pod, node: NodeInfo): boolean {
  if (constraint.honorAffinity && !matchesRequiredAffinity(pod, node)) return false;
  return !constraint.honorTaints || node.hardTaints.every((taint) => isTolerated(pod.spec?.tolerations, taint));
}

/** The pod is one that the constraint counts; its namespace is not looked at. A selector without requirements counts none, as upstream. */
export function counts({ selector }: Constraint, { metadata }: Pod): boolean {
  return selector.requirements.length > 0 && !metadata?.deletionTimestamp && selector.matches(metadata?.labels);
}

function countOn(node: NodeInfo, constraint: Constraint, namespace: string | undefined): number {
  let count = 0;
  for (const { pod } of node.pods.values()) if (pod.metadata?.namespace === namespace && counts(constraint, pod)) count += 1;
  return count;
}

/** Tells of all nodes with pods that the constraint counts how many, maybe in several parts. */
export function countPods(constraint: Constraint, namespace: string | undefined, snapshot: Snapshot, tell: (node: NodeInfo, count: number) => void): void {
  if (constraint.selector.requirements.length === 0) return;
  const { labelled, nodes } = snapshot;
  const few = labelled && narrowed({ labelled }, constraint.selector, namespace ?? '');
  if (few) {
    for (const [{ pod }, node] of few) if (node.node && counts(constraint, pod)) tell(node, 1);
    return;
  }
  for (const node of nodes) {
    const count = countOn(node, constraint, namespace);
    if (count > 0) tell(node, count);
  }
}
