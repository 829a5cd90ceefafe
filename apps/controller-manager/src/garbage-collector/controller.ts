import { APIServices, CustomResourceDefinitions } from '@orrery/api';
import type { KubeObject, OwnerReference, ResourceRef } from '@orrery/apimachinery';
import { type Informer, apiVersionOf, createInformer, resourceKey } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, forEachInParallel, refersTo, watch } from '@orrery/controller';
import { StatusError, isNotFound } from '@orrery/errors';
import type { Counter } from '@orrery/runtime';
import { builtInResources, servedResources } from '../resources/catalog.ts';
import { type GraphNode, OwnershipGraph, nodeOf, orphanFinalizer } from './graph.ts';
import { type Action, type OwnerState, plan } from './plan.ts';

interface State {
  readonly graph: OwnershipGraph;
  /** Built-in resources that are followed. Their informers are shared, so that none is given up when its API is turned off. */
  readonly builtIn: Set<ResourceRef>;
  /** Informers of custom resources, ours alone. */
  readonly custom: Map<string, Informer<KubeObject>>;
  resources: readonly ResourceRef[];
  /** Custom resources that could not be listed yet, and when this was last told; monotonic milliseconds. */
  lateSinceMs: number | undefined;
  readonly syncErrors: Counter;
}

type Context = ControllerContext<State>;

/** The key that means: see which resources there are. */
const monitorsKey = '';
/** How long an unknown owner gets to show up before the server is asked for it. */
const ownerGraceMs = 1_000;
/** How long a resource may take to be listed before that counts as an error, and then again. */
const syncTimeoutMs = 30_000;
const ignored = new Set(['events']);
const isBuiltIn: ReadonlySet<ResourceRef> = new Set(builtInResources);

function follow(informer: Informer<KubeObject>, context: Context): void {
  const { resource } = informer;
  const upsert = (object: KubeObject): void => {
    const { now, later } = context.state.graph.upsert(nodeOf(resource, object));
    for (const uid of now) context.enqueue(uid);
    for (const uid of later) context.enqueueAfter(uid, ownerGraceMs);
  };
  informer.addHandlers({
    add: upsert,
    update(object) {
      if (!context.state.graph.isNoNews(object)) upsert(object);
    },
    delete: (object) => {
      for (const uid of context.state.graph.remove(object.metadata?.uid ?? '')) context.enqueue(uid);
    },
  });
}

/** Starts following what is served now and stops following custom resources that are no longer. */
function syncMonitors(context: Context): void {
  const { state, store, api, env } = context;
  state.resources = servedResources(store(CustomResourceDefinitions).list(), store(APIServices).list());
  const custom = new Map<string, ResourceRef>();
  for (const resource of state.resources) {
    if (!isBuiltIn.has(resource)) custom.set(resourceKey(resource), resource);
    else if (!ignored.has(resource.resource) && !state.builtIn.has(resource)) {
      state.builtIn.add(resource);
      follow(store(resource), context);
    }
  }
  for (const [key, resource] of custom) {
    if (state.custom.has(key)) continue;
    const informer = createInformer(api, resource, { env });
    state.custom.set(key, informer);
    follow(informer, context);
    informer.start();
  }
  for (const [key, informer] of state.custom) {
    if (custom.has(key)) continue;
    informer.stop();
    state.custom.delete(key);
    for (const object of informer.list()) for (const uid of state.graph.remove(object.metadata?.uid ?? '')) context.enqueue(uid);
  }
}

/** Looks again at what cannot be listed, such as a custom resource whose conversion fails. */
function watchSync({ state, env }: Context): { requeueAfterMs: number } | void {
  const isLate = [...state.custom.values()].some((informer) => !informer.synced());
  if (!isLate) return void (state.lateSinceMs = undefined);
  const nowMs = env.clock.monotonic();
  state.lateSinceMs ??= nowMs;
  if (nowMs - state.lateSinceMs >= syncTimeoutMs) {
    state.syncErrors.inc();
    state.lateSinceMs = nowMs;
  }
  return { requeueAfterMs: state.lateSinceMs + syncTimeoutMs - nowMs };
}

function tellWrongNamespace(context: Context, node: GraphNode, ref: OwnerReference): void {
  const { uid, name, namespace } = node;
  const message = `ownerRef [${ref.apiVersion}/${ref.kind}, namespace: ${namespace ?? ''}, name: ${ref.name}, uid: ${ref.uid}] does not exist in namespace ${JSON.stringify(namespace ?? '')}`;
  const dependent = { apiVersion: apiVersionOf(node.resource), kind: node.resource.kind, metadata: { name, uid, ...(namespace ? { namespace } : {}) } };
  context.events.event(node.resource, dependent, { type: 'Warning', reason: 'OwnerRefInvalidNamespace', message });
}

/** Asks the server for an owner that is not in the graph. */
async function isGone(context: Context, node: GraphNode, ref: OwnerReference): Promise<boolean> {
  const resource = context.state.resources.find((candidate) => refersTo(ref, candidate));
  if (!resource) throw new Error(`no resource is known for owner kind ${ref.apiVersion} ${ref.kind}`);
  if (resource.namespaced && !node.namespace) {
    tellWrongNamespace(context, node, ref);
    return false;
  }
  try {
    const owner = await context.api.get(resource, { name: ref.name, ...(resource.namespaced && node.namespace ? { namespace: node.namespace } : {}) });
    return owner.metadata?.uid !== ref.uid;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
}

/** Is the object with the UID of a reference where the reference says? */
function isAt(owner: GraphNode, dependent: GraphNode, ref: OwnerReference): boolean {
  return owner.name === ref.name && refersTo(ref, owner.resource) && (!owner.namespace || owner.namespace === dependent.namespace);
}

async function ownerState(context: Context, node: GraphNode, ref: OwnerReference): Promise<OwnerState> {
  const { graph } = context.state;
  const known = graph.get(ref.uid);
  if (known && !isAt(known, node, ref)) {
    // The UID is somebody's, but not that of the owner the reference names: an owner is in the namespace of its dependents, or in none.
    if (known.namespace && known.namespace !== node.namespace) tellWrongNamespace(context, node, ref);
    return (await isGone(context, node, ref)) ? 'dangling' : 'solid';
  }
  if (known) return known.deleting && known.finalizers.includes('foregroundDeletion') && ref.blockOwnerDeletion ? 'waiting' : 'solid';
  if (graph.isAbsent(ref.uid)) return 'dangling';
  if (!(await isGone(context, node, ref))) return 'solid';
  graph.markAbsent(ref.uid);
  return 'dangling';
}

const keyOfNode = ({ namespace, name }: GraphNode): { namespace?: string; name: string } => ({ ...(namespace ? { namespace } : {}), name });

async function unlessGone(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Writes other owners by merge patch on the revision that was seen, which every resource understands. */
async function patchMeta(context: Context, node: GraphNode, change: { ownerReferences?: readonly OwnerReference[]; finalizers?: readonly string[] }): Promise<void> {
  const patch = { metadata: { uid: node.uid, resourceVersion: node.resourceVersion, ...change } };
  await unlessGone(context.api.patch(node.resource, keyOfNode(node), patch, { type: 'application/merge-patch+json' }));
}

async function removeFinalizer(context: Context, node: GraphNode, finalizer: string): Promise<void> {
  await patchMeta(context, node, { finalizers: node.finalizers.filter((name) => name !== finalizer) });
}

/** A deletion that meets another object of the name has nothing more to do. */
async function deleteNode(context: Context, node: GraphNode, action: Extract<Action, { type: 'delete' }>): Promise<void> {
  if (action.unblock) await patchMeta(context, node, { ownerReferences: node.owners.map((ref) => ({ ...ref, blockOwnerDeletion: false })) });
  try {
    await context.api.delete(node.resource, keyOfNode(node), { propagationPolicy: action.policy, preconditions: { uid: node.uid } });
  } catch (error) {
    if (isNotFound(error)) return;
    if (error instanceof StatusError && error.code === 409 && error.message.includes('UID')) return;
    throw error;
  }
}

async function act(context: Context, node: GraphNode, action: Action): Promise<void> {
  switch (action.type) {
    case 'nothing':
      return;
    case 'removeOwners':
      return patchMeta(context, node, { ownerReferences: node.owners.filter(({ uid }) => !action.uids.includes(uid)) });
    case 'delete':
      return deleteNode(context, node, action);
    case 'orphanDependents':
      await forEachInParallel(action.dependents, (dependent) => patchMeta(context, dependent, { ownerReferences: dependent.owners.filter(({ uid }) => uid !== node.uid) }));
      return removeFinalizer(context, node, orphanFinalizer);
    case 'removeFinalizer':
      return removeFinalizer(context, node, action.finalizer);
    case 'visit':
      for (const uid of action.uids) context.enqueue(uid);
  }
}

async function reconcile(uid: string, context: Context): Promise<{ requeueAfterMs: number } | void> {
  const { graph } = context.state;
  if (uid === monitorsKey) {
    syncMonitors(context);
    return watchSync(context);
  }
  const node = graph.get(uid);
  if (!node) return;
  const owners: OwnerState[] = [];
  if (!node.deleting) for (const ref of node.owners) owners.push(await ownerState(context, node, ref));
  await act(context, node, plan({ node, dependents: [...graph.dependentsOf(uid)], owners }));
}

/** Deletes what its owners no longer need, in the background, in the foreground, or orphans it. */
export function garbageCollector(): AnyController {
  return defineController<KubeObject, State>({
    name: 'garbage-collector-controller',
    queue: 'garbage_collector_attempt_to_delete',
    account: 'generic-garbage-collector',
    initialKeys: [monitorsKey],
    concurrency: 64,
    watches: [watch(CustomResourceDefinitions, () => [monitorsKey]), watch(APIServices, () => [monitorsKey])],
    setup({ env }) {
      const syncErrors = env.metrics.counter('garbagecollector_controller_resources_sync_error_total', 'Number of garbage collector resources sync errors');
      syncErrors.inc({}, 0);
      return { graph: new OwnershipGraph(), builtIn: new Set(), custom: new Map(), resources: [], lateSinceMs: undefined, syncErrors };
    },
    dispose({ state }) {
      for (const informer of state.custom.values()) informer.stop();
    },
    reconcile,
  });
}
