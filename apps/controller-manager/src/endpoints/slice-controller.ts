import { EndpointSlices, Nodes, Pods, Services } from '@orrery/api';
import type { EndpointSlice, Node, Service } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { type AnyController, type ControllerContext, type WriteFence, byControllerUid, createWriteFence, defineController, forEachInParallel, watch } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { createTriggerTimes, hasSelector, podsOf, watchPodsOfServices } from './service-pods.ts';
import { type SliceMetrics, type TrafficMetrics, createSliceMetrics, createTrafficMetrics } from './slice-metrics.ts';
import { type SlicePlan, controllerName, managedByLabel, planSlices } from './slice-plan.ts';
import { type ZoneShares, wantsZoneHints, zoneOfCapacity, zoneShares } from './topology.ts';

interface State {
  readonly fence: WriteFence;
  readonly maxEndpoints: number;
  readonly told: SliceMetrics;
  readonly traffic: TrafficMetrics;
  readonly triggers: ReturnType<typeof createTriggerTimes>;
  /** Endpoints a Service had when last looked at. */
  readonly sizes: Map<string, number>;
  /** Services that ask for hints by zone, and those whose endpoints have them. */
  readonly wanting: Set<string>;
  readonly hinted: Set<string>;
  /** Of the nodes there are now; made when it is asked for. */
  shares: { readonly value: ZoneShares | undefined } | undefined;
}

const zoneLabel = 'topology.kubernetes.io/zone';
const zoneOf = (node: Node | undefined): string | undefined => node?.metadata?.labels?.[zoneLabel];

/** Writes a plan, and remembers what was written until the cache shows it. */
export async function writeSlices(key: string, context: Pick<ControllerContext<{ readonly fence: WriteFence }>, 'api' | 'state'>, plan: SlicePlan): Promise<void> {
  const { api } = context;
  const { fence } = context.state;
  await forEachInParallel(plan.create, async (slice) => fence.wrote(key, await api.create(EndpointSlices, slice)));
  await forEachInParallel(plan.update, async (slice) => fence.wrote(key, await api.update(EndpointSlices, slice)));
  await forEachInParallel(plan.remove, async (slice: EndpointSlice) => {
    const { namespace = '', name = '' } = slice.metadata ?? {};
    try {
      await api.delete(EndpointSlices, { namespace, name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    fence.deleted(key, slice);
  });
}

/** Tells that hints by zone have come, cannot be, or are no longer wanted. */
function tellOfHints(key: string, { state, events }: ControllerContext<State>, { service, plan }: { service: Service; plan: SlicePlan }): void {
  const tell = (type: 'Normal' | 'Warning', what: string, addressType: string): void =>
    void events.event(Services, service, { type, reason: type === 'Normal' ? 'TopologyAwareHintsEnabled' : 'TopologyAwareHintsDisabled', message: `${what}, addressType: ${addressType}` });
  for (const { addressType, refused } of plan.zoneHints ?? []) {
    if (refused !== undefined) tell('Warning', refused, addressType);
    else if (!state.hinted.has(key)) tell('Normal', 'Topology Aware Hints has been enabled', addressType);
    if (refused === undefined) state.hinted.add(key);
    else state.hinted.delete(key);
  }
  if (!plan.zoneHints?.length && state.hinted.delete(key)) for (const type of service.spec?.ipFamilies ?? ['IPv4']) tell('Warning', 'Topology Aware Hints has been disabled', type);
}

const syncsOf = ({ env: { metrics } }: Pick<ControllerContext, 'env'>) => metrics.counter('endpoint_slice_controller_syncs', 'Number of EndpointSlice syncs');

async function reconcile(key: string, context: ControllerContext<State>): Promise<{ requeueAfterMs: number } | void> {
  const { state, store } = context;
  const service = store(Services).get(key);
  if (!service || service.metadata?.deletionTimestamp || !hasSelector(service)) {
    state.triggers.forget(key);
    state.fence.forget(key);
    state.hinted.delete(key);
    state.wanting.delete(key);
    state.told.forget(key);
    state.traffic.forget(key);
    return;
  }
  if (wantsZoneHints(service)) state.wanting.add(key);
  else state.wanting.delete(key);
  if (!state.fence.passed(key, store(EndpointSlices))) return { requeueAfterMs: 500 };
  const pods = podsOf(context, service);
  state.sizes.set(key, pods.length);
  const owned = [...store(EndpointSlices).byIndex(byControllerUid, service.metadata?.uid ?? '')];
  const slices = owned.filter((slice) => slice.metadata?.labels?.[managedByLabel] === controllerName && !slice.metadata.deletionTimestamp);
  const triggerTime = state.triggers.next(service, pods);
  const plan = planSlices({ service, pods, slices, nodeOf: (name) => store(Nodes).get(name), maxEndpoints: state.maxEndpoints, triggerTime, zoneShares: () => (state.shares ??= { value: zoneShares(store(Nodes).list()) }).value });
  tellOfHints(key, context, { service, plan });
  const syncs = syncsOf(context);
  try {
    await writeSlices(key, context, plan);
    state.told.planned(key, { slices, plan, most: state.maxEndpoints });
    state.traffic.synced(key, service, plan.create.length + plan.update.length + plan.remove.length);
    syncs.inc({ result: 'success' });
  } catch (error) {
    if (isNamespaceTerminating(error)) return;
    syncs.inc({ result: 'error' });
    const message = `Error updating Endpoint Slices for Service ${key}: ${(error as Error).message}`;
    if (!isAlreadyExists(error)) context.events.event(Services, service, { type: 'Warning', reason: 'FailedToUpdateEndpointSlices', message });
    throw error;
  }
}

/** Keeps the EndpointSlices of Services with a selector. */
export function endpointSliceController({ maxEndpoints }: { readonly maxEndpoints: number }): AnyController {
  return defineController<Service, State>({
    name: 'endpointslice-controller',
    queue: 'endpoint_slice',
    eventSource: 'endpoint-slice-controller',
    for: Services,
    owns: [EndpointSlices],
    watches: [
      watchPodsOfServices<State>(),
      watch<Node, State>(Nodes, ({ object, old, gone }, { state, store }) => {
        const capacity = gone || !old || !deepEqual(zoneOfCapacity(object), zoneOfCapacity(old));
        if (capacity) state.shares = undefined;
        if (gone ? zoneOf(object) : zoneOf(object) !== zoneOf(old)) return [...store(Services).keys()];
        return capacity ? [...state.wanting] : [];
      }),
    ],
    // A reconcile looks at every pod of a Service, so the many changes of a large one are taken together.
    coalesceMs: (key, { state }) => Math.min(500, Math.floor((state.sizes.get(key) ?? 0) / 20)),
    setup(context) {
      context.store(Pods);
      return { maxEndpoints, told: createSliceMetrics(context.env.metrics, 'endpoint_slice_controller'), traffic: createTrafficMetrics(context.env.metrics, wantsZoneHints), fence: createWriteFence(context.env.clock), triggers: createTriggerTimes(), sizes: new Map(), wanting: new Set(), hinted: new Set(), shares: undefined };
    },
    reconcile,
  });
}
