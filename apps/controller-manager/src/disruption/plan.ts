import type { Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { resolveIntOrPercent } from '../deployment/scaling.ts';
import { isReady } from '../pods/pod-state.ts';

/** How long an eviction that was granted may take until its pod counts as healthy again. */
const evictionTimeoutMs = 120_000;

export interface BudgetObserved {
  readonly budget: PodDisruptionBudget;
  /** Pods the budget selects. */
  readonly pods: readonly Pod[];
  /** How many pods their controllers want together; an Error when that cannot be known. */
  readonly expected: number | Error;
}

export interface BudgetPlan {
  readonly status: PodDisruptionBudgetStatus;
  /** Why the size could not be found; then no disruption is allowed. */
  readonly error: string | undefined;
  /** Pods whose eviction was granted and did not come. */
  readonly overdue: readonly string[];
  readonly requeueAfterMs: number | undefined;
}

function known(expected: number | Error): number {
  if (typeof expected === 'number') return expected;
  throw expected;
}

function sizes({ budget, pods, expected }: BudgetObserved): { expectedPods: number; desiredHealthy: number } {
  const { maxUnavailable, minAvailable } = budget.spec ?? {};
  if (maxUnavailable !== undefined) {
    const total = known(expected);
    return { expectedPods: total, desiredHealthy: Math.max(0, total - resolveIntOrPercent(maxUnavailable, total, 'up')) };
  }
  if (typeof minAvailable === 'string' && minAvailable.endsWith('%')) {
    const total = known(expected);
    return { expectedPods: total, desiredHealthy: resolveIntOrPercent(minAvailable, total, 'up') };
  }
  return { expectedPods: pods.length, desiredHealthy: Number(minAvailable ?? 0) };
}

function withCondition(known: PodDisruptionBudgetStatus['conditions'], wanted: { status: string; reason: string; message: string; observedGeneration: number; at: string }): NonNullable<PodDisruptionBudgetStatus['conditions']> {
  const type = 'DisruptionAllowed';
  const old = known?.find((condition) => condition.type === type);
  const lastTransitionTime = old?.status === wanted.status ? old.lastTransitionTime : wanted.at;
  const { at: _at, ...fields } = wanted;
  return [...(known ?? []).filter((condition) => condition.type !== type), { type, ...fields, lastTransitionTime }];
}

/** The status of a budget: how many pods may be evicted now. */
export function plan(observed: BudgetObserved, nowMs: number): BudgetPlan {
  const { budget, pods } = observed;
  const observedGeneration = budget.metadata?.generation ?? 0;
  const at = rfc3339(nowMs);
  const before = budget.status;
  let size: { expectedPods: number; desiredHealthy: number };
  try {
    size = sizes(observed);
  } catch (thrown) {
    const error = (thrown as Error).message;
    const conditions = withCondition(before?.conditions, { status: 'False', reason: 'SyncFailed', message: error, observedGeneration, at });
    const base = { currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...before };
    return { status: { ...base, disruptionsAllowed: 0, observedGeneration, conditions }, error, overdue: [], requeueAfterMs: undefined };
  }
  const disruptedPods: Record<string, string> = {};
  const waits: number[] = [];
  const overdue: string[] = [];
  const names = new Map(pods.map((pod) => [pod.metadata?.name ?? '', pod]));
  for (const [name, since] of Object.entries(before?.disruptedPods ?? {})) {
    const pod = names.get(name);
    const leftMs = Date.parse(since) + evictionTimeoutMs - nowMs;
    if (!pod || pod.metadata?.deletionTimestamp) continue;
    if (leftMs <= 0) {
      overdue.push(name);
      continue;
    }
    disruptedPods[name] = since;
    waits.push(leftMs);
  }
  const currentHealthy = pods.filter((pod) => !pod.metadata?.deletionTimestamp && disruptedPods[pod.metadata?.name ?? ''] === undefined && isReady(pod)).length;
  const { expectedPods, desiredHealthy } = size;
  const disruptionsAllowed = expectedPods === 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const enough = disruptionsAllowed > 0;
  const conditions = withCondition(before?.conditions, { status: enough ? 'True' : 'False', reason: enough ? 'SufficientPods' : 'InsufficientPods', message: '', observedGeneration, at });
  const status = { currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods, ...(Object.keys(disruptedPods).length ? { disruptedPods } : {}), observedGeneration, conditions };
  return { status, error: undefined, overdue, requeueAfterMs: waits.length ? Math.min(...waits) : undefined };
}
