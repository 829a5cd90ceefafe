import type { Pod, PodCondition } from '@orrery/api/types';

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  const conditions = pod.status?.conditions;
  if (conditions) for (const condition of conditions) if (condition.type === type) return condition;
  return undefined;
}

/** Has run to its end. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Runs or will, and is not being deleted. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && !pod.metadata?.deletionTimestamp;
}

/** Being deleted, and not yet at its end. */
export function isTerminating(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata?.deletionTimestamp !== undefined;
}

export function isReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Milliseconds until a ready pod has been ready for `minReadySeconds`; 0 when it has, undefined when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  if (!ready.lastTransitionTime) return undefined;
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - nowMs);
}

export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return availableInMs(pod, minReadySeconds, nowMs) === 0;
}

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

function restarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount ?? 0));
}

/** Powers of two of an age, so that pods started in one burst count as equally old. */
function ageRank(since: string | undefined, nowMs: number): number {
  const ageMs = since === undefined ? 0 : nowMs - Date.parse(since);
  return ageMs <= 0 ? -1 : Math.floor(Math.log2(ageMs));
}

export interface DeletionRank {
  readonly pod: Pod;
  /** Active siblings on the same node. */
  readonly siblings: number;
}

/** Which pod goes first when there are too many (upstream's ActivePodsWithRanks); negative: `a` before `b`. */
export function compareForDeletion(a: DeletionRank, b: DeletionRank, nowMs: number): number {
  const cost = ({ pod }: DeletionRank): number => Number(pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0;
  const readySince = ({ pod }: DeletionRank): string | undefined => podCondition(pod, 'Ready')?.lastTransitionTime;
  const [left, right] = [a.pod, b.pod];
  return (
    Number(Boolean(left.spec?.nodeName)) - Number(Boolean(right.spec?.nodeName)) ||
    (phaseRank[left.status?.phase ?? ''] ?? 1) - (phaseRank[right.status?.phase ?? ''] ?? 1) ||
    Number(isReady(left)) - Number(isReady(right)) ||
    cost(a) - cost(b) ||
    b.siblings - a.siblings ||
    (isReady(left) && isReady(right) ? ageRank(readySince(a), nowMs) - ageRank(readySince(b), nowMs) : 0) ||
    restarts(right) - restarts(left) ||
    ageRank(left.metadata?.creationTimestamp, nowMs) - ageRank(right.metadata?.creationTimestamp, nowMs) ||
    ((left.metadata?.uid ?? '') < (right.metadata?.uid ?? '') ? -1 : 1)
  );
}
