import type { Node, Pod } from '@orrery/api/types';
import type { ClusterEvent } from '../../framework/types.ts';
import { type Constraint, hasAllKeys } from './constraints.ts';

function isCounted(pod: Pod, { selector }: Constraint): boolean {
  return !pod.metadata?.deletionTimestamp && selector.matches(pod.metadata?.labels);
}

/** A pod that is counted and came or went, or came to be counted or ceased to be, moves the skew. */
export function podHelps(waiting: Pod, constraints: readonly Constraint[], event: ClusterEvent): boolean {
  const now = event.object as Pod;
  if (now.metadata?.namespace !== waiting.metadata?.namespace) return false;
  if (event.action === 'Update') return constraints.some((constraint) => isCounted(event.old as Pod, constraint) !== isCounted(now, constraint));
  return constraints.some(({ selector }) => selector.matches(now.metadata?.labels));
}

/** A node that carries the keys of all constraints came, went, or changed what makes it a domain. */
export function nodeHelps(constraints: readonly Constraint[], event: ClusterEvent): boolean {
  const isDomain = (node: Node): boolean => hasAllKeys(node.metadata?.labels ?? {}, constraints);
  const now = event.object as Node;
  if (event.action !== 'Update') return isDomain(now);
  const facts = ({ metadata, spec }: Node): string => JSON.stringify([metadata?.labels, spec?.taints, spec?.unschedulable]);
  const old = event.old as Node;
  return (isDomain(old) || isDomain(now)) && facts(old) !== facts(now);
}
