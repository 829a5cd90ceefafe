import { type KubeObject, selectorFromObject } from '@orrery/apimachinery';
import type { Condition, Eviction, Pod, PodDisruptionBudget } from '@orrery/api/types';
import { StatusError, badRequest, forbidden, internalError, notFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { admission } from '../admission-chain.ts';
import { guaranteedUpdate } from '../commit.ts';
import { type DeleteOptions, deleteObject } from '../delete.ts';
import { get } from '../get.ts';
import type { Registry, RequestScope } from '../registry.ts';
import { type SubresourceInput, success } from './handler.ts';

/** Evictions not confirmed by the disruption controller beyond this many are refused. */
const maxDisruptedPods = 2000;

function refused(cause: string, retryAfterSeconds = 0): StatusError {
  return new StatusError({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: { causes: [{ reason: 'DisruptionBudget', message: cause }], ...(retryAfterSeconds ? { retryAfterSeconds } : {}) },
  });
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

/** Pods that no budget counts. */
function needsNoBudget(pod: Pod): boolean {
  const phase = pod.status?.phase ?? '';
  return pod.metadata?.deletionTimestamp !== undefined || phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending';
}

async function budgetsOf(registry: Registry, pod: Pod): Promise<PodDisruptionBudget[]> {
  const kind = registry.kinds.kept('policy', 'v1', 'poddisruptionbudgets');
  if (!kind) return [];
  await registry.feed.waitForCurrent();
  const all = registry.feed.cache(kind).list({ namespace: pod.metadata?.namespace ?? '' });
  return all.map((entry) => entry.object as PodDisruptionBudget).filter((budget) => selectorFromObject(budget.spec?.selector as never).matches(pod.metadata?.labels ?? {}));
}

/** May an unready pod go without asking the budget? */
function skipsBudget(pod: Pod, budget: PodDisruptionBudget): boolean {
  if (isReady(pod)) return false;
  if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

function withoutAllowance(conditions: readonly Condition[] | undefined, now: string, generation: number): Condition[] {
  const others = (conditions ?? []).filter((c) => c.type !== 'DisruptionAllowed');
  return [...others, { type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', message: '', lastTransitionTime: now, observedGeneration: generation }];
}

/** Takes one disruption from the budget; throws when there is none. */
function decrement(budget: PodDisruptionBudget, podName: string, now: string): PodDisruptionBudget {
  const name = budget.metadata?.name ?? '';
  const status = budget.status ?? {};
  const { disruptionsAllowed: allowed = 0, currentHealthy = 0, desiredHealthy = 0 } = status;
  const generation = budget.metadata?.generation ?? 0;
  if ((status.observedGeneration ?? 0) < generation) throw refused(`The disruption budget ${name} is still being processed by the server.`, 10);
  if (allowed < 0) throw forbidden({ group: 'policy', resource: 'poddisruptionbudgets', name }, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > maxDisruptedPods) {
    throw forbidden({ group: 'policy', resource: 'poddisruptionbudgets', name }, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  }
  if (allowed === 0) {
    throw refused(`The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`);
  }
  const left = allowed - 1;
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: left,
      disruptedPods: { ...status.disruptedPods, [podName]: now },
      ...(left === 0 ? { conditions: withoutAllowance(status.conditions, now, generation) } : {}),
    },
  };
}

async function takeFromBudget(registry: Registry, pod: Pod, request: { budget: PodDisruptionBudget; dryRun: boolean }): Promise<void> {
  const kind = registry.kinds.kept('policy', 'v1', 'poddisruptionbudgets');
  if (!kind) return;
  const { metadata } = request.budget;
  await guaranteedUpdate(registry, {
    kind,
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    dryRun: request.dryRun,
    decide: (current) => {
      if (!current) return { action: 'keep' };
      const draft = decrement(current.object as PodDisruptionBudget, pod.metadata?.name ?? '', rfc3339(registry.env.clock.now()));
      return { action: 'put', draft: draft as KubeObject };
    },
  });
}

/** Tells the pod's controller why it went. */
async function markDisrupted(registry: Registry, scope: RequestScope, pod: Pod): Promise<void> {
  const now = rfc3339(registry.env.clock.now());
  await guaranteedUpdate(registry, {
    kind: scope.kind,
    namespace: scope.info.namespace,
    name: scope.info.name,
    dryRun: false,
    decide: (current) => {
      const object = current?.object as Pod | undefined;
      if (!object || object.metadata?.uid !== pod.metadata?.uid) return { action: 'keep' };
      const others = (object.status?.conditions ?? []).filter((c) => c.type !== 'DisruptionTarget');
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting', lastTransitionTime: now };
      return { action: 'put', draft: { ...object, status: { ...object.status, conditions: [...others, condition] } } as KubeObject };
    },
  });
}

/** POST pods/eviction: deletes the pod if its disruption budget lets it go. */
export async function evict(registry: Registry, scope: RequestScope, input: SubresourceInput): Promise<object> {
  const eviction = input.object as unknown as Eviction;
  const { name } = scope.info;
  if (eviction.metadata?.name && eviction.metadata.name !== name) throw badRequest('name in URL does not match name in Eviction object');
  const given = (eviction.deleteOptions ?? {}) as Partial<DeleteOptions> & { dryRun?: unknown };
  const dryRun = input.options.dryRun || (Array.isArray(given.dryRun) && given.dryRun.includes('All'));
  const check = admission(registry, scope, { operation: 'CREATE', object: eviction, oldObject: undefined, name, options: input.options, subresource: 'eviction', objectKind: { group: 'policy', version: 'v1', kind: 'Eviction' } });
  await check.admit();
  await check.validate();
  const pod = (await get(registry, scope)).object as Pod;
  if (!pod.metadata) throw notFound({ group: '', resource: 'pods', name });
  const budgets = needsNoBudget(pod) ? [] : await budgetsOf(registry, pod);
  if (budgets.length > 1) {
    throw internalError('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
  }
  const [budget] = budgets;
  if (budget && !skipsBudget(pod, budget)) await takeFromBudget(registry, pod, { budget, dryRun });
  if (!dryRun) await markDisrupted(registry, scope, pod);
  const preconditions = { ...given.preconditions, uid: given.preconditions?.uid ?? pod.metadata.uid ?? '' };
  const { dryRun: _, ...rest } = given;
  await deleteObject(registry, { ...scope, info: { ...scope.info, subresource: '' } }, { ...rest, dryRun, fieldManager: '', raw: { ...rest }, preconditions });
  return success();
}
