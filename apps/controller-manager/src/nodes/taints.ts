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
 * times its tolerations give counts, from when the pod was first seen with these taints.
 */
export function evictionTime(pod: Pod, taints: readonly Taint[], { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number }): number | undefined {
  const tolerations = pod.spec?.tolerations ?? [];
  let leastSeconds: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (!matching.length) return nowMs;
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds !== undefined) leastSeconds = Math.min(leastSeconds ?? tolerationSeconds, Math.max(0, tolerationSeconds));
    }
  }
  return leastSeconds === undefined ? undefined : sinceMs + leastSeconds * 1000;
}
