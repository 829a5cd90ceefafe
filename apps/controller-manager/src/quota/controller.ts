import { ConfigMaps, CustomResourceDefinitions, PersistentVolumeClaims, Pods, ReplicationControllers, ResourceQuotas, Secrets, Services } from '@orrery/api';
import { countName, objectUsage, quotaApplies } from '@orrery/api/quota';
import type { Pod, ResourceQuota, ResourceQuotaStatus } from '@orrery/api/types';
import { type KubeObject, type Quantity, type ResourceRef, addQuantity, compareQuantity, formatQuantity, tryParseQuantity, zeroQuantity } from '@orrery/apimachinery';
import { type Informer, createInformer, deepEqual, keyOf, resourceKey } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { StatusError } from '@orrery/errors';
import { allResources, builtInResources } from '../resources/catalog.ts';

/** Resources that quotas bound by names of their own. */
const measured: readonly ResourceRef[] = [Pods, Services, PersistentVolumeClaims, ConfigMaps, Secrets, ReplicationControllers, ResourceQuotas];
/** Full recounts, for what is counted without being watched. */
const resyncMs = 30_000;
/** How long a charge may take to become an object that is seen here, and how long a lower count waits at most. */
const settleMs = 500;
const longestWaitMs = 5_000;

/** Amounts of the names the quota bounds, over the objects that are in its scope. */
export function plan(quota: ResourceQuota, objects: Iterable<{ resource: ResourceRef; object: KubeObject }>, nowMs: number): ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {};
  const used = new Map<string, Quantity>(Object.keys(hard).map((name) => [name, zeroQuantity]));
  for (const { resource, object } of objects) {
    if (!quotaApplies(quota, resource, object)) continue;
    for (const [name, amount] of Object.entries(objectUsage(resource, object, nowMs))) {
      const sum = used.get(name);
      if (sum) used.set(name, addQuantity(sum, amount));
    }
  }
  return { hard, used: Object.fromEntries([...used].map(([name, amount]) => [name, formatQuantity(amount)])) };
}

/** Resources that only a `count/…` name of this quota asks for. */
function counted({ store }: Pick<ControllerContext, 'store'>, quota: ResourceQuota): ResourceRef[] {
  const names = new Set(Object.keys(quota.spec?.hard ?? {}).filter((name) => name.startsWith('count/')));
  if (names.size === 0) return [];
  return allResources(store(CustomResourceDefinitions).list()).filter((resource) => resource.namespaced && !measured.includes(resource) && names.has(countName(resource)));
}

async function* objectsOf(context: Pick<ControllerContext, 'api' | 'store'>, quota: ResourceQuota): AsyncIterable<{ resource: ResourceRef; object: KubeObject }> {
  const { api, store } = context;
  const { namespace = '' } = quota.metadata ?? {};
  for (const resource of measured) for (const object of store(resource).byIndex('namespace', namespace)) yield { resource, object };
  for (const resource of counted(context, quota)) {
    try {
      for (const object of (await api.list(resource, { namespace, resourceVersion: '0' })).items) yield { resource, object };
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 404) throw error;
    }
  }
}

function quotasOf(namespace: string, { store }: Pick<ControllerContext, 'store'>): string[] {
  return [...store(ResourceQuotas).byIndex('namespace', namespace)].map((quota) => `${namespace}/${quota.metadata?.name ?? ''}`);
}

interface State {
  /** Informers of custom resources that quotas count, ours alone; of built-in ones, which are shared, only that they are followed. */
  readonly followed: Map<string, Informer<KubeObject> | undefined>;
  /** When admission last charged a quota, and since when a lower count waits; monotonic milliseconds. */
  readonly charges: Map<string, { chargedMs: number; waitingMs?: number }>;
}

/** Sees to it that the end of what only `count/…` names count is told at once. Custom resources that are no longer served are let go. */
function follow(quota: ResourceQuota, context: ControllerContext<State>): void {
  const { api, env, state, store } = context;
  for (const resource of counted(context, quota)) {
    const key = resourceKey(resource);
    if (state.followed.has(key)) continue;
    const own = builtInResources.includes(resource) ? undefined : createInformer(api, resource, { env });
    state.followed.set(key, own);
    (own ?? store(resource)).addHandlers({
      delete: (object) => {
        for (const due of quotasOf(object.metadata?.namespace ?? '', context)) context.enqueue(due);
      },
    });
    own?.start();
  }
}

function forgetUnserved({ state, store }: ControllerContext<State>): void {
  const served = new Set(allResources(store(CustomResourceDefinitions).list()).map(resourceKey));
  for (const [key, own] of state.followed) {
    if (!own || served.has(key)) continue;
    own.stop();
    state.followed.delete(key);
  }
}

/** Does the change of a pod change what it takes, or which scopes it is in? Specs change with generations, what is allocated with the status. */
function countsAnew(old: Pod, pod: Pod): boolean {
  if (old.metadata?.deletionTimestamp !== pod.metadata?.deletionTimestamp || old.status?.phase !== pod.status?.phase) return true;
  if (old.metadata?.generation !== pod.metadata?.generation) return true;
  const [before, now] = [old, pod].map(({ status }) => status?.containerStatuses?.map(({ allocatedResources, resources }) => [allocatedResources, resources]));
  return !deepEqual(before, now);
}

type Amounts = Readonly<Record<string, unknown>>;

const isLower = (name: string, used: Amounts, before: Amounts): boolean =>
  used[name] !== before[name] && compareQuantity(tryParseQuantity(used[name]) ?? zeroQuantity, tryParseQuantity(before[name]) ?? zeroQuantity) < 0;

/**
 * Admission charges a quota before the object is stored, and the object is seen here later still. A count made in between
 * would give back what is about to be used: so a lower one waits until charges have had time to become objects.
 */
function settlesInMs(key: string, context: ControllerContext<State>, change: { used: Amounts; before: Amounts }): number {
  const { charges } = context.state;
  const charge = charges.get(key);
  const nowMs = context.env.clock.monotonic();
  const waits = charge !== undefined && nowMs < charge.chargedMs + settleMs && Object.keys(change.used).some((name) => isLower(name, change.used, change.before));
  if (!waits || nowMs > (charge.waitingMs ?? nowMs) + longestWaitMs) {
    charges.delete(key);
    return 0;
  }
  charge.waitingMs ??= nowMs;
  return charge.chargedMs + settleMs - nowMs;
}

/** Quotas that are new, or whose spec or bounds changed, are counted; what admission charged is only remembered. */
const watchQuotas = watch<ResourceQuota, State>(ResourceQuotas, ({ object, old, gone }, context) => {
  const { env, state } = context;
  const key = keyOf(object);
  if (gone) state.charges.delete(key);
  // Quotas are counted themselves.
  if (gone || !old) return quotasOf(object.metadata?.namespace ?? '', context);
  const [used, before] = [object.status?.used ?? {}, old.status?.used ?? {}];
  if (Object.keys(used).some((name) => isLower(name, before, used))) {
    const waitingMs = state.charges.get(key)?.waitingMs;
    state.charges.set(key, { chargedMs: env.clock.monotonic(), ...(waitingMs === undefined ? {} : { waitingMs }) });
  }
  const isDue = !deepEqual(object.spec, old.spec) || !deepEqual(object.status?.hard ?? {}, object.spec?.hard ?? {});
  return isDue ? [key] : [];
});

/** Keeps what quotas say is used; the API server refuses by it. */
export function resourceQuotaController(): AnyController {
  return defineController<ResourceQuota, State>({
    name: 'resourcequota-controller',
    queue: 'resourcequota_primary',
    watches: [
      watchQuotas,
      ...measured.filter((resource) => resource !== ResourceQuotas).map((resource) =>
        watch<KubeObject, State>(resource, ({ object, old, gone }, context) => {
          const { namespace = '' } = object.metadata ?? {};
          // Most namespaces have none, and every change of every Pod comes by here.
          if (context.store(ResourceQuotas).countByIndex('namespace', namespace) === 0) return [];
          const settled = old && !gone && resource === Pods && !countsAnew(old as Pod, object as Pod);
          return settled ? [] : quotasOf(namespace, context);
        }),
      ),
      // Counted, so that they must be known.
      watch<KubeObject, State>(CustomResourceDefinitions, (_change, context) => {
        forgetUnserved(context);
        return [];
      }),
    ],
    coalesceMs: (key, { store }) => Math.min(1000, Math.floor(store(Pods).countByIndex('namespace', key.slice(0, key.indexOf('/'))) / 10)),
    setup: () => ({ charges: new Map(), followed: new Map() }),
    dispose({ state }) {
      for (const informer of state.followed.values()) informer?.stop();
    },
    async reconcile(key, context) {
      const quota = context.store(ResourceQuotas).get(key);
      if (!quota) return undefined;
      follow(quota, context);
      const objects: { resource: ResourceRef; object: KubeObject }[] = [];
      for await (const entry of objectsOf(context, quota)) objects.push(entry);
      const status = plan(quota, objects, context.env.clock.now());
      if (deepEqual(quota.status ?? {}, status)) return { requeueAfterMs: resyncMs };
      const waitMs = settlesInMs(key, context, { used: status.used ?? {}, before: quota.status?.used ?? {} });
      if (waitMs > 0) return { requeueAfterMs: waitMs };
      await context.api.update(ResourceQuotas, { ...quota, status }, { subresource: 'status' });
      return { requeueAfterMs: resyncMs };
    },
  });
}
