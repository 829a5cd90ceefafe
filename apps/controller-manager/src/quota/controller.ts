import { ConfigMaps, CustomResourceDefinitions, PersistentVolumeClaims, Pods, ReplicationControllers, ResourceQuotas, Secrets, Services } from '@orrery/api';
import { countName, objectUsage, quotaApplies } from '@orrery/api/quota';
import type { ResourceQuota, ResourceQuotaStatus } from '@orrery/api/types';
import { type KubeObject, type Quantity, type ResourceRef, addQuantity, formatQuantity, zeroQuantity } from '@orrery/apimachinery';
import { deepEqual } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { StatusError } from '@orrery/errors';
import { allResources } from '../resources/catalog.ts';

/** Resources that quotas bound by names of their own. */
const measured: readonly ResourceRef[] = [Pods, Services, PersistentVolumeClaims, ConfigMaps, Secrets, ReplicationControllers, ResourceQuotas];
/** Full recounts, for what is counted without being watched. */
const resyncMs = 30_000;

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

async function* objectsOf(context: ControllerContext, quota: ResourceQuota): AsyncIterable<{ resource: ResourceRef; object: KubeObject }> {
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

/** Keeps what quotas say is used; the API server refuses by it. */
export function resourceQuotaController(): AnyController {
  return defineController<ResourceQuota>({
    name: 'resourcequota-controller',
    for: ResourceQuotas,
    rbac: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['list', 'watch'] },
      { apiGroups: [''], resources: ['resourcequotas/status'], verbs: ['update'] },
    ],
    watches: [
      ...measured.map((resource) =>
        watch(resource, ({ object, old, gone }, context) => {
          const settled = old && !gone && resource === Pods && deepEqual(old.metadata?.deletionTimestamp, object.metadata?.deletionTimestamp) && phaseOf(old) === phaseOf(object);
          return settled ? [] : quotasOf(object.metadata?.namespace ?? '', context);
        }),
      ),
      // Counted, so that they must be known.
      watch(CustomResourceDefinitions, () => []),
    ],
    coalesceMs: (key, { store }) => Math.min(1000, Math.floor(store(Pods).countByIndex('namespace', key.slice(0, key.indexOf('/'))) / 10)),
    async reconcile(key, context) {
      const quota = context.store(ResourceQuotas).get(key);
      if (!quota) return undefined;
      const objects: { resource: ResourceRef; object: KubeObject }[] = [];
      for await (const entry of objectsOf(context, quota)) objects.push(entry);
      const status = plan(quota, objects, context.env.clock.now());
      if (!deepEqual(quota.status ?? {}, status)) await context.api.update(ResourceQuotas, { ...quota, status }, { subresource: 'status' });
      return { requeueAfterMs: resyncMs };
    },
  });
}

function phaseOf(object: KubeObject): unknown {
  return (object as { status?: { phase?: string } }).status?.phase;
}
