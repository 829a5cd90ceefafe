import type { Pod } from '@orrery/api/types';
import { podRequests } from '../pods/pod-resources.ts';
import type { StarvedResource } from './thresholds.ts';

/** What a pod or one of its containers uses. */
export interface Use {
  readonly memoryBytes: number;
  /** Writable layers, logs and local volumes. */
  readonly diskBytes: number;
  readonly inodes: number;
  readonly processes: number;
}

/** A pod that runs on the node, with what it uses; `use` is undefined where the runtime did not say. */
export interface Candidate {
  readonly pod: Pod;
  readonly use: Use | undefined;
  readonly containers: readonly { readonly name: string; readonly use: Use }[];
}

export function amountUsed(use: Use, resource: StarvedResource): number {
  if (resource === 'memory') return use.memoryBytes;
  if (resource === 'ephemeral-storage') return use.diskBytes;
  return resource === 'inodes' ? use.inodes : use.processes;
}

function aboveRequest({ pod, use }: Candidate, resource: StarvedResource): number {
  return use ? amountUsed(use, resource) - (podRequests(pod).get(resource) ?? 0) : Infinity;
}

const first = (a: boolean, b: boolean): number => Number(b) - Number(a);

/**
 * The order in which pods are evicted: those that use more than they asked for, then by priority, then by how much more they
 * use. Process numbers cannot be asked for, so there priority comes first. Pods nothing is known of go before all others.
 */
export function rankForEviction(candidates: readonly Candidate[], resource: StarvedResource): Candidate[] {
  const ranked = candidates.map((candidate) => ({ candidate, above: aboveRequest(candidate, resource), priority: candidate.pod.spec?.priority ?? 0 }));
  ranked.sort((a, b) => {
    const byExcess = resource === 'pids' ? 0 : first(a.above > 0, b.above > 0);
    return byExcess || a.priority - b.priority || (a.above === b.above ? 0 : b.above - a.above);
  });
  return ranked.map(({ candidate }) => candidate);
}
