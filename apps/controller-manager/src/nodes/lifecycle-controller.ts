import { Leases, Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import { type AnyController, type ControllerContext, defineController, forEachInParallel } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { parseGoDuration, rfc3339 } from '@orrery/runtime';
import { isReady } from '../pods/pod-state.ts';
import { nodeMetrics } from './metrics.ts';
import { type NodeHealth, type ZoneSettings, type ZoneState, evictionRate, observeHealth, planTaints, readyCondition, silentConditions, zoneState } from './lifecycle-plan.ts';

interface Zone {
  state: ZoneState;
  size: number;
  /** When the zone may next have a node emptied, by the monotonic clock. */
  nextMs: number;
}

interface State {
  readonly health: Map<string, NodeHealth>;
  readonly zones: Map<string, Zone>;
  readonly registered: Set<string>;
}

export interface LifecycleSettings extends ZoneSettings {
  readonly nodeMonitorGracePeriod: string;
  readonly nodeStartupGracePeriod: string;
  readonly nodeMonitorPeriod: string;
}

const monitorKey = '';
const leases = { namespace: 'kube-node-lease' };
export const byNodeName = 'nodeName';

function zoneOf(node: Node): string {
  const { 'topology.kubernetes.io/region': region = '', 'topology.kubernetes.io/zone': zone = '' } = node.metadata?.labels ?? {};
  return region || zone ? `${region}:${zone}` : '';
}

function surveyZones(context: ControllerContext<State>, settings: LifecycleSettings): void {
  const found = new Map<string, boolean[]>();
  for (const node of context.store(Nodes).list()) {
    const zone = zoneOf(node);
    const ready = readyCondition(node)?.status === 'True';
    const ofZone = found.get(zone);
    if (ofZone) ofZone.push(ready);
    else found.set(zone, [ready]);
  }
  for (const [name, readiness] of found) {
    const zone = context.state.zones.get(name) ?? { state: 'Initial', size: 0, nextMs: 0 };
    const healthy = readiness.filter(Boolean).length;
    const { unhealthyNodes, zoneHealth, zoneSize } = nodeMetrics(context.env.metrics);
    zoneSize.set(readiness.length, { zone: name });
    zoneHealth.set((healthy * 100) / readiness.length, { zone: name });
    unhealthyNodes.set(readiness.length - healthy, { zone: name });
    context.state.zones.set(name, Object.assign(zone, { state: zoneState(readiness, settings), size: readiness.length }));
  }
  for (const name of context.state.zones.keys()) if (!found.has(name)) context.state.zones.delete(name);
}

/** When no zone has a node left, it is more likely us who are cut off: nothing is evicted. */
function everythingDown(state: State): boolean {
  return [...state.zones.values()].every((zone) => zone.state === 'FullDisruption');
}

function grant(context: ControllerContext<State>, node: Node, settings: LifecycleSettings): boolean {
  const zone = context.state.zones.get(zoneOf(node));
  const now = context.env.clock.monotonic();
  if (!zone || now < zone.nextMs) return false;
  const rate = evictionRate(zone.state, zone.size, settings);
  if (rate === 0) return false;
  zone.nextMs = now + 1000 / rate;
  nodeMetrics(context.env.metrics).evictions.inc({ zone: zoneOf(node) });
  return true;
}

async function markPodsNotReady(context: ControllerContext<State>, nodeName: string): Promise<void> {
  const pods = [...context.store(Pods).byIndex(byNodeName, nodeName)].filter(isReady);
  const lastTransitionTime = rfc3339(context.env.clock.now());
  await forEachInParallel(pods, async (pod: Pod) => {
    const { namespace = '', name = '', uid } = pod.metadata ?? {};
    const patch = { metadata: { uid }, status: { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime }] } };
    context.events.event(Pods, pod, { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' });
    await context.api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', subresource: 'status' }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  });
}

/** Settings, with their times in milliseconds. */
interface Graces extends LifecycleSettings {
  readonly monitorGraceMs: number;
  readonly startupGraceMs: number;
}

async function reconcileNode(key: string, context: ControllerContext<State>, settings: Graces): Promise<void> {
  const { api, env, events, state, store } = context;
  let node = store(Nodes).get(key);
  if (!node) {
    state.health.delete(key);
    return void state.registered.delete(key);
  }
  if (!state.registered.has(key)) {
    state.registered.add(key);
    events.event(Nodes, node, { type: 'Normal', reason: 'RegisteredNode', message: `Node ${key} event: Registered Node ${key} in Controller` });
  }
  const nowMs = env.clock.now();
  const health = observeHealth(state.health.get(key), { node, lease: store(Leases, leases).get(`${leases.namespace}/${key}`) }, env.clock.monotonic());
  state.health.set(key, health);
  const graceMs = readyCondition(node) ? settings.monitorGraceMs : settings.startupGraceMs;
  const silent = env.clock.monotonic() - health.seenMs > graceMs;
  const conditions = silent ? silentConditions(node, nowMs) : undefined;
  const wasReady = readyCondition(node)?.status === 'True';
  if (conditions) node = await api.patch(Nodes, { name: key }, { status: { conditions } }, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
  const ready = readyCondition(node)?.status === 'True';
  if (wasReady && !ready) {
    events.event(Nodes, node, { type: 'Normal', reason: 'NodeNotReady', message: `Node ${key} status is now: NodeNotReady` });
    surveyZones(context, settings);
  }
  const draft = node;
  const taints = planTaints(node, { nowMs, mayEvict: () => grant(context, draft, settings), neverEvict: everythingDown(state) });
  if (taints) {
    const patch = { metadata: { resourceVersion: node.metadata?.resourceVersion }, spec: { taints } };
    await api.patch(Nodes, { name: key }, patch, { type: 'application/merge-patch+json' });
  }
  if (!ready && readyCondition(node)) await markPodsNotReady(context, key);
}

/** Watches the signs of life of nodes: marks silent ones Unknown, keeps the taints that go with conditions, and tells their pods. */
export function nodeLifecycleController(settings: LifecycleSettings): AnyController {
  const graces: Graces = { ...settings, monitorGraceMs: parseGoDuration(settings.nodeMonitorGracePeriod), startupGraceMs: parseGoDuration(settings.nodeStartupGracePeriod) };
  const monitorMs = parseGoDuration(settings.nodeMonitorPeriod);
  return defineController<Node, State>({
    name: 'node-lifecycle-controller',
    queue: 'node_lifecycle_controller',
    account: 'node-controller',
    eventSource: 'node-controller',
    for: Nodes,
    initialKeys: [monitorKey],
    concurrency: 8,
    setup(context) {
      context.store(Pods).addIndexer(byNodeName, (pod) => pod.spec?.nodeName || undefined);
      context.store(Leases, leases);
      return { health: new Map(), zones: new Map(), registered: new Set() };
    },
    async reconcile(key, context) {
      const { allHealthSeconds, healthSeconds } = nodeMetrics(context.env.metrics);
      const beganMs = context.env.clock.monotonic();
      const took = (): number => (context.env.clock.monotonic() - beganMs) / 1000;
      if (key !== monitorKey) return reconcileNode(key, context, graces).finally(() => healthSeconds.observe(took()));
      surveyZones(context, settings);
      allHealthSeconds.observe(took());
      for (const name of context.store(Nodes).keys()) context.enqueue(name);
      return { requeueAfterMs: monitorMs };
    },
  });
}
