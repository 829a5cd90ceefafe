import { Pods, ResourceClaims, ResourceSlices } from '@orrery/api';
import type { DeviceTaint, DeviceToleration, Pod, ResourceClaim, ResourceSlice } from '@orrery/api/types';
import { type ControllerContext, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { isTerminal } from '../pods/pod-state.ts';
import { evictionMetrics } from './metrics.ts';

/** NoExecute taints of a device. */
export type TaintsOf = (driver: string, pool: string, device: string) => readonly DeviceTaint[];

const poolKey = (driver: string, pool: string): string => `${driver}/${pool}`;

function tolerates({ effect, key, operator = 'Equal', value = '' }: DeviceToleration, taint: DeviceTaint): boolean {
  return (!effect || effect === taint.effect) && (!key || key === taint.key) && (operator === 'Exists' || value === (taint.value ?? ''));
}

/** When a taint ends the use of a device: at once if nothing tolerates it, after the least time that a toleration gives, or never. */
function endOf(taint: DeviceTaint, tolerations: readonly DeviceToleration[], nowMs: number): number | undefined {
  const addedMs = Date.parse(taint.timeAdded ?? '');
  const sinceMs = Number.isNaN(addedMs) ? nowMs : addedMs;
  const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
  if (!matching.length) return sinceMs;
  const seconds = matching.flatMap(({ tolerationSeconds }) => (tolerationSeconds === undefined ? [] : [Math.max(0, tolerationSeconds)]));
  return seconds.length ? sinceMs + Math.min(...seconds) * 1000 : undefined;
}

/** When a pod has to go because of the devices it holds, in milliseconds since the epoch; undefined for never. */
export function evictionTime(pod: Pod, { claims, taintsOf, nowMs }: { claims: Iterable<ResourceClaim>; taintsOf: TaintsOf; nowMs: number }): number | undefined {
  if (!pod.spec?.nodeName || pod.metadata?.deletionTimestamp || isTerminal(pod)) return undefined;
  let earliest: number | undefined;
  for (const { status } of claims) {
    if (!status?.reservedFor?.some(({ uid }) => uid === pod.metadata?.uid)) continue;
    for (const { driver, pool, device, tolerations = [] } of status.allocation?.devices?.results ?? []) {
      for (const taint of taintsOf(driver, pool, device)) {
        const end = endOf(taint, tolerations, nowMs);
        if (end !== undefined) earliest = Math.min(earliest ?? end, end);
      }
    }
  }
  return earliest;
}

/** Names of the claims of a pod, those made of templates included. */
function claimNames({ spec, status }: Pod): string[] {
  return (spec?.resourceClaims ?? []).flatMap(({ name, resourceClaimName }) => resourceClaimName ?? status?.resourceClaimStatuses?.find((one) => one.name === name)?.resourceClaimName ?? []);
}

const byPool = 'pool';
const podsOf = ({ metadata, status }: ResourceClaim): string[] => (status?.reservedFor ?? []).flatMap(({ resource, name }) => (resource === 'pods' ? [`${metadata?.namespace ?? ''}/${name}`] : []));
const hasNoExecute = ({ spec }: ResourceSlice): boolean => spec?.devices?.some(({ taints }) => taints?.some(({ effect }) => effect === 'NoExecute')) ?? false;

function taintsFrom(slices: Iterable<ResourceSlice>, device: string): readonly DeviceTaint[] {
  let newest: { generation: number; taints: readonly DeviceTaint[] } | undefined;
  for (const { spec } of slices) {
    const found = spec?.devices?.find(({ name }) => name === device);
    if (spec && found && (!newest || newest.generation < spec.pool.generation)) newest = { generation: spec.pool.generation, taints: found.taints ?? [] };
  }
  return (newest?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
}

interface State {
  /** Pods whose time will come. */
  readonly waiting: Set<string>;
}

async function evict(pod: Pod, { api, env, events }: ControllerContext<State>): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  events.event(Pods, pod, { type: 'Normal', reason: 'DeviceTaintManagerEviction', message: 'Marking for deletion' });
  const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByDeviceTaintManager', message: 'Device Taint manager: deleting due to NoExecute taint', lastTransitionTime: rfc3339(env.clock.now()) };
  try {
    await api.patch(Pods, { namespace, name }, { metadata: { uid }, status: { conditions: [condition] } }, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
    await api.delete(Pods, { namespace, name }, uid ? { preconditions: { uid } } : {});
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

const none: readonly string[] = [];

/** Deletes pods whose claims hold devices with NoExecute taints that the claims do not tolerate, or not any longer. */
export const deviceTaintEvictionController = defineController<Pod, State>({
  name: 'device-taint-eviction-controller',
  eventSource: 'device-taint-eviction',
  queue: 'device_taint_eviction',
  watches: [
    watch<Pod, State>(Pods, ({ object, old, gone }) => {
      if (!object.spec?.resourceClaims?.length) return none;
      const isNew = !old || old.spec?.nodeName !== object.spec.nodeName || gone;
      return isNew ? [`${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`] : [];
    }),
    watch<ResourceClaim, State>(ResourceClaims, ({ object }) => podsOf(object)),
    watch<ResourceSlice, State>(ResourceSlices, ({ object, old }, { store }) => {
      const { spec } = object;
      if (!spec || !(hasNoExecute(object) || (old && hasNoExecute(old)))) return [];
      return [...store(ResourceClaims).byIndex(byPool, poolKey(spec.driver, spec.pool.name))].flatMap(podsOf);
    }),
  ],
  setup({ store }) {
    store(Pods);
    store(ResourceClaims).addIndexer(byPool, ({ status }) => [...new Set((status?.allocation?.devices?.results ?? []).map(({ driver, pool }) => poolKey(driver, pool)))]);
    store(ResourceSlices).addIndexer(byPool, ({ spec }) => (spec ? [poolKey(spec.driver, spec.pool.name)] : []));
    return { waiting: new Set() };
  },
  async reconcile(key, context) {
    const { env, events, state, store } = context;
    const pod = store(Pods).get(key);
    if (!pod) return void state.waiting.delete(key);
    const nowMs = env.clock.now();
    const claims = claimNames(pod).flatMap((name) => store(ResourceClaims).get(`${pod.metadata?.namespace ?? ''}/${name}`) ?? []);
    const taintsOf: TaintsOf = (driver, pool, device) => taintsFrom(store(ResourceSlices).byIndex(byPool, poolKey(driver, pool)), device);
    const atMs = evictionTime(pod, { claims, taintsOf, nowMs });
    if (atMs === undefined) {
      if (state.waiting.delete(key) && !pod.metadata?.deletionTimestamp) events.event(Pods, pod, { type: 'Normal', reason: 'DeviceTaintManagerEviction', message: 'Cancelling deletion' });
      return;
    }
    if (atMs > nowMs) {
      state.waiting.add(key);
      return { requeueAfterMs: atMs - nowMs };
    }
    state.waiting.delete(key);
    await evict(pod, context);
    const told = evictionMetrics(env.metrics);
    told.deletions.inc();
    told.seconds.observe(Math.max(0, env.clock.now() - atMs) / 1000);
  },
});
