import type { Pod, Taint, Toleration } from '@orrery/api/types';

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}

/** Taints of the given effects that nothing in `tolerations` tolerates. */
export function untolerated(taints: readonly Taint[], tolerations: readonly Toleration[], effects: readonly string[]): Taint[] {
  return taints.filter((taint) => effects.includes(taint.effect) && !tolerations.some((toleration) => tolerates(toleration, taint)));
}

/**
 * When the NoExecute taints of its node end a pod: milliseconds since the epoch, or undefined for never. The least of the
 * times its tolerations give counts, from when the taint was added.
 */
export function evictionTime(pod: Pod, taints: readonly Taint[], nowMs: number): number | undefined {
  const tolerations = pod.spec?.tolerations ?? [];
  let atMs: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (!matching.length) return nowMs;
    const limits = matching.map(({ tolerationSeconds }) => tolerationSeconds).filter((seconds) => seconds !== undefined);
    if (!limits.length) continue;
    const sinceMs = taint.timeAdded ? Date.parse(taint.timeAdded) : nowMs;
    const untilMs = sinceMs + Math.max(0, Math.min(...limits)) * 1000;
    atMs = Math.min(atMs ?? untilMs, untilMs);
  }
  return atMs;
}
