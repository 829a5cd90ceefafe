import { APIServices, CustomResourceDefinitions, Namespaces, Pods } from '@orrery/api';
import type { APIService, Namespace, Pod } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, deepEqual } from '@orrery/client';
import { type ControllerContext, defineController, watch } from '@orrery/controller';
import { StatusError, isNotFound } from '@orrery/errors';
import { servedResources } from '../resources/catalog.ts';
import { type NamespaceContent, type Remaining, plan } from './plan.ts';

interface State {
  /** How often the content of a namespace was deleted so far. */
  readonly passes: Map<string, number>;
}

const firstPollMs = 250;
const maxPollMs = 8_000;

const unsupported = (error: unknown): boolean => error instanceof StatusError && (error.code === 404 || error.code === 405);

function summary(resource: ResourceRef, items: readonly KubeObject[]): Remaining {
  const finalizers: Record<string, number> = {};
  for (const item of items) for (const name of item.metadata?.finalizers ?? []) finalizers[name] = (finalizers[name] ?? 0) + 1;
  return { group: resource.group, resource: resource.resource, count: items.length, finalizers };
}

async function deleteEach(api: ApiClient, resource: ResourceRef, items: readonly KubeObject[]): Promise<void> {
  for (const { metadata = {} } of items) {
    await api.delete(resource, { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/** Deletes everything of one resource in a namespace and says what is left. */
async function deleteAll(api: ApiClient, resource: ResourceRef, namespace: string): Promise<Remaining> {
  const list = async (): Promise<readonly KubeObject[]> => {
    try {
      return (await api.list(resource, { namespace })).items;
    } catch (error) {
      if (unsupported(error)) return [];
      throw error;
    }
  };
  const items = await list();
  if (!items.length) return summary(resource, items);
  if (items.some((item) => !item.metadata?.deletionTimestamp)) {
    try {
      await api.deleteCollection(resource, { namespace }, { propagationPolicy: 'Background' });
    } catch (error) {
      if (!unsupported(error)) throw error;
      await deleteEach(api, resource, items);
    }
  }
  return summary(resource, await list());
}

/** Pods go first; other content stays until the last one is gone, since pods may need it to stop properly. */
async function deleteContent(api: ApiClient, resources: readonly ResourceRef[], namespace: string): Promise<NamespaceContent> {
  const errors: string[] = [];
  const attempt = async (resource: ResourceRef): Promise<Remaining> => {
    try {
      return await deleteAll(api, resource, namespace);
    } catch (error) {
      errors.push((error as Error).message);
      return { group: resource.group, resource: resource.resource, count: 0, finalizers: {} };
    }
  };
  const pods = await attempt(Pods);
  if (pods.count > 0 || errors.length) return { remaining: [pods], errors };
  const others = resources.filter((resource) => resource.namespaced && resource.resource !== 'pods');
  return { remaining: await Promise.all(others.map(attempt)), errors };
}

/** Group versions that another server should serve and does not. */
function unavailable(services: Iterable<APIService>): string[] {
  const down = [...services].filter(({ spec, status }) => spec?.service && !status?.conditions?.some((condition) => condition.type === 'Available' && condition.status === 'True'));
  return down.map(({ spec }) => `${spec?.group ?? ''}/${spec?.version ?? ''}`).sort();
}

async function reconcile(key: string, context: ControllerContext<State>): Promise<{ requeueAfterMs: number } | void> {
  const { api, state, store } = context;
  let namespace = store(Namespaces).get(key);
  if (!namespace?.metadata?.deletionTimestamp) return void state.passes.delete(key);
  const finalizers = namespace.spec?.finalizers ?? [];
  if (!finalizers.includes('kubernetes')) return void state.passes.delete(key);
  const passes = state.passes.get(key) ?? 0;
  state.passes.set(key, passes + 1);
  const deleted = await deleteContent(api, servedResources(store(CustomResourceDefinitions).list(), store(APIServices).list()), key);
  const content = { ...deleted, unknown: unavailable(store(APIServices).list()) };
  const { status, empty } = plan(namespace, content, context.env.clock.now());
  // A first pass that finds nothing is not trusted: another API server may not know yet that nothing may be created.
  if (empty && passes > 0) {
    const { spec } = namespace;
    await api.update(Namespaces, { ...namespace, spec: { ...spec, finalizers: finalizers.filter((name) => name !== 'kubernetes') } }, { subresource: 'finalize' });
    return void state.passes.delete(key);
  }
  if (!deepEqual(namespace.status, status)) namespace = await api.update(Namespaces, { ...namespace, status }, { subresource: 'status' });
  return { requeueAfterMs: Math.min(maxPollMs, firstPollMs * 2 ** Math.min(passes, 10)) };
}

/** Deletes what is in a namespace that is to be deleted, then lets the namespace go. */
export const namespaceController = defineController<Namespace, State>({
  name: 'namespace-controller',
  queue: 'namespace',
  for: Namespaces,
  concurrency: 10,
  // The end of many pods is taken together: every pass lists the whole namespace.
  coalesceMs: (key, { state }) => (state.passes.has(key) ? 100 : 0),
  watches: [
    watch<Pod, State>(Pods, ({ object, gone }, context) => {
      const name = object.metadata?.namespace ?? '';
      return gone && context.store(Namespaces).get(name)?.metadata?.deletionTimestamp ? [name] : [];
    }),
  ],
  setup(context) {
    context.store(CustomResourceDefinitions);
    context.store(APIServices);
    return { passes: new Map() };
  },
  reconcile,
});
