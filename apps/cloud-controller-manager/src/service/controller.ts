import { EndpointSlices, Nodes, Services } from '@orrery/api';
import type { EndpointSlice, Node, Service } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { LoadBalancersDefinition } from '@orrery/proto/cloud';
import { type Channel, type Client, createClient } from '@orrery/rpc';
import { settingsOf } from './annotations.ts';
import { balancerFacts, changeEvent } from './changes.ts';
import { type EnsurePlan, type LoadBalancerStatus, balancerAnnotation, balancerName, finalizer, hostEndpoints, plan, recordedBalancer, statusOf, wantsBalancer } from './plan.ts';
import { followsEndpoints } from './targets.ts';

/** Where a balancer's ports really listen on this machine, when not at its own address. */
export const hostEndpointsAnnotation = 'orrery.dev/host-endpoints';
const ownAnnotations = [hostEndpointsAnnotation, balancerAnnotation];
const serviceNameLabel = 'kubernetes.io/service-name';
const byService = 'service';
/** Nodes that come or go in this time are one change of a balancer. */
const nodeSettleMs = 500;

interface State {
  /** By service: what it was like when its balancer was last brought to it, and the nodes it had then. */
  readonly ensured: Map<string, { readonly facts: string; readonly hosts: string }>;
}

type Context = ControllerContext<State>;

const keyOf = ({ metadata }: Service): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

function nodeFacts({ metadata, spec, status }: Node): string {
  return JSON.stringify([metadata?.labels, spec?.taints, status?.addresses, status?.conditions?.find((c) => c.type === 'Ready')?.status, metadata?.deletionTimestamp]);
}

function serviceOf(slice: EndpointSlice): string[] {
  const name = slice.metadata?.labels?.[serviceNameLabel];
  return name ? [`${slice.metadata?.namespace ?? ''}/${name}`] : [];
}

/** Services whose balancer must know of a change of these endpoints. */
function concerned(slice: EndpointSlice, { store }: Pick<Context, 'store'>): string[] {
  return serviceOf(slice).filter((key) => {
    const service = store(Services).get(key);
    if (!service || !wantsBalancer(service)) return false;
    try {
      return followsEndpoints(service, settingsOf(service.metadata?.annotations ?? {}).backend);
    } catch {
      return false;
    }
  });
}

interface WantedMetadata {
  readonly finalizers: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Writes finalizers and our annotations ('' removes one) if they differ. */
async function writeMetadata(api: ApiClient, service: Service, wanted: WantedMetadata): Promise<Service> {
  const { name = '', namespace = '', finalizers = [], annotations = {} } = service.metadata ?? {};
  const same = Object.entries(wanted.annotations).every(([key, value]) => (annotations[key] ?? '') === value);
  if (same && JSON.stringify(finalizers) === JSON.stringify(wanted.finalizers)) return service;
  const changes = Object.fromEntries(Object.entries(wanted.annotations).map(([key, value]) => [key, value || null]));
  const patch = { metadata: { resourceVersion: service.metadata?.resourceVersion, finalizers: wanted.finalizers, annotations: changes } };
  return api.patch(Services, { namespace, name }, patch, { type: 'application/merge-patch+json' });
}

async function writeStatus(api: ApiClient, service: Service, loadBalancer: LoadBalancerStatus): Promise<void> {
  if (JSON.stringify(service.status?.loadBalancer ?? {}) === JSON.stringify(loadBalancer)) return;
  const { name = '', namespace = '' } = service.metadata ?? {};
  const patch = { status: { loadBalancer: Object.keys(loadBalancer).length ? loadBalancer : null } };
  await api.patch(Services, { namespace, name }, patch, { type: 'application/merge-patch+json', subresource: 'status' });
}

const otherFinalizers = (service: Service): string[] => (service.metadata?.finalizers ?? []).filter((one) => one !== finalizer);

/** Brings the balancer to what is planned and tells the service of it. */
async function ensure(service: Service, todo: EnsurePlan, { api, balancers }: { api: ApiClient; balancers: Client<typeof LoadBalancersDefinition> }): Promise<void> {
  const { action: _action, hosts: _hosts, listeners, sourceRanges, ...rest } = todo;
  const before = recordedBalancer(service);
  const finalizers = [...otherFinalizers(service), finalizer];
  let current = await writeMetadata(api, service, { finalizers, annotations: {} });
  // What it had on another balancer goes before that is forgotten.
  if (before !== todo.name && service.metadata?.finalizers?.includes(finalizer)) await balancers.delete({ name: before, owner: todo.owner });
  const recorded = todo.name === balancerName(service) ? '' : todo.name;
  current = await writeMetadata(api, current, { finalizers, annotations: { [balancerAnnotation]: recorded } });
  const balancer = await balancers.ensure({ ...rest, listeners: [...listeners], sourceRanges: [...sourceRanges] });
  current = await writeMetadata(api, current, { finalizers, annotations: { [balancerAnnotation]: recorded, [hostEndpointsAnnotation]: hostEndpoints(balancer, todo.owner) } });
  await writeStatus(api, current, statusOf(balancer, todo.owner));
}

/** Reads annotations; what cannot be understood is told like a failure of the cloud. */
function planOf(service: Service, { store, events }: Context): ReturnType<typeof plan> {
  try {
    return plan(service, [...store(Nodes).list()], [...store(EndpointSlices).byIndex(byService, keyOf(service))]);
  } catch (error) {
    events.event(Services, service, { type: 'Warning', reason: 'SyncLoadBalancerFailed', message: `Error syncing load balancer: failed to ensure load balancer: ${(error as Error).message}` });
    throw error;
  }
}

/** As Go prints a set of names. */
const goSet = (names: readonly string[]): string => `map[${names.map((name) => `${name}:{}`).join(' ')}]`;

/** Gives every Service of type LoadBalancer listeners on a balancer in the cloud. */
export function serviceController(cloud: Channel, concurrency: number): AnyController {
  const balancers = createClient(LoadBalancersDefinition, cloud);

  const sync = async (service: Service, todo: EnsurePlan, context: Context): Promise<void> => {
    const { api, events, state } = context;
    const key = keyOf(service);
    const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => events.event(Services, service, { type, reason, message });
    const known = state.ensured.get(key);
    const now = { facts: balancerFacts(service, ownAnnotations), hosts: JSON.stringify(todo.hosts) };
    const anew = known?.facts !== now.facts;
    const newHosts = !anew && known.hosts !== now.hosts;
    if (anew) tell('Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
    if ((anew || newHosts) && !todo.hosts.length) tell('Warning', 'UnAvailableLoadBalancer', 'There are no available nodes for LoadBalancer');
    try {
      await ensure(service, todo, { api, balancers });
    } catch (error) {
      const { message } = error as Error;
      if (newHosts) tell('Warning', 'UpdateLoadBalancerFailed', `Error updating load balancer with new hosts ${goSet(todo.hosts)}: ${message}`);
      else tell('Warning', 'SyncLoadBalancerFailed', `Error syncing load balancer: failed to ensure load balancer: ${message}`);
      throw error;
    }
    state.ensured.set(key, now);
    if (anew) tell('Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
    else if (newHosts && todo.hosts.length) tell('Normal', 'UpdatedLoadBalancer', 'Updated load balancer with new hosts');
  };
  const remove = async (service: Service, { name, owner }: { name: string; owner: string }, { api, events, state }: Context): Promise<void> => {
    state.ensured.delete(keyOf(service));
    const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => events.event(Services, service, { type, reason, message });
    tell('Normal', 'DeletingLoadBalancer', 'Deleting load balancer');
    try {
      await balancers.delete({ name, owner });
    } catch (error) {
      tell('Warning', 'SyncLoadBalancerFailed', `Error syncing load balancer: failed to delete load balancer: ${(error as Error).message}`);
      throw error;
    }
    try {
      if (!service.metadata?.deletionTimestamp) await writeStatus(api, service, {});
      const latest = await api.get(Services, { namespace: service.metadata?.namespace ?? '', name: service.metadata?.name ?? '' });
      if (latest.metadata?.uid === owner) await writeMetadata(api, latest, { finalizers: otherFinalizers(latest), annotations: { [hostEndpointsAnnotation]: '', [balancerAnnotation]: '' } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    tell('Normal', 'DeletedLoadBalancer', 'Deleted load balancer');
  };

  return defineController<Service, State>({
    name: 'service-lb-controller',
    queue: 'service',
    eventSource: 'service-controller',
    for: Services,
    concurrency,
    rbac: [
      { apiGroups: [''], resources: ['services', 'nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['services', 'services/status'], verbs: ['patch', 'update'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
    setup({ store }) {
      store(EndpointSlices).addIndexer(byService, serviceOf);
      return { ensured: new Map() };
    },
    watches: [
      watch<Service, State>(Services, ({ object, old }, { events }) => {
        const told = old && changeEvent(old, object);
        if (told) events.event(Services, object, { type: 'Normal', ...told });
        return [];
      }),
      watch<Node, State>(Nodes, ({ object, old }, { enqueueAfter, store }) => {
        if (old && nodeFacts(object) === nodeFacts(old)) return [];
        for (const service of store(Services).list()) if (wantsBalancer(service)) enqueueAfter(keyOf(service), nodeSettleMs);
        return [];
      }),
      watch<EndpointSlice, State>(EndpointSlices, ({ object }, context) => concerned(object, context)),
    ],
    async reconcile(key, context) {
      const service = context.store(Services).get(key);
      if (!service) return void context.state.ensured.delete(key);
      const todo = planOf(service, context);
      if (todo.action === 'ensure') await sync(service, todo, context);
      else if (todo.action === 'delete') await remove(service, todo, context);
    },
  });
}
