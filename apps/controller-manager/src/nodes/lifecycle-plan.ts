import type { Lease, Node, NodeCondition, Taint } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { notReadyTaint, unreachableTaint } from './taints.ts';

/** What we last saw of a node's signs of life, and when by our own clock. */
export interface NodeHealth {
  readonly renewTime: string | undefined;
  readonly heartbeat: string | undefined;
  readonly seenMs: number;
}

export function observeHealth(known: NodeHealth | undefined, observed: { node: Node; lease: Lease | undefined }, nowMs: number): NodeHealth {
  const renewTime = observed.lease?.spec?.renewTime;
  const heartbeat = readyCondition(observed.node)?.lastHeartbeatTime;
  if (known && known.renewTime === renewTime && known.heartbeat === heartbeat) return known;
  return { renewTime, heartbeat, seenMs: nowMs };
}

export function readyCondition(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === 'Ready');
}

/** The conditions of a node that has been silent beyond the grace period: all Unknown. Undefined: nothing to change. */
export function silentConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const at = rfc3339(nowMs);
  const changed: NodeCondition[] = [];
  for (const type of ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']) {
    const known = node.status?.conditions?.find((condition) => condition.type === type);
    if (!known) {
      const created = node.metadata?.creationTimestamp ?? at;
      changed.push({ type, status: 'Unknown', reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.', lastHeartbeatTime: created, lastTransitionTime: at });
    } else if (known.status !== 'Unknown') {
      changed.push({ ...known, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.', lastTransitionTime: at });
    }
  }
  return changed.length ? changed : undefined;
}

/** How a zone fares; it decides how fast its nodes are emptied. */
export type ZoneState = 'Initial' | 'Normal' | 'PartialDisruption' | 'FullDisruption';

export interface ZoneSettings {
  readonly nodeEvictionRate: number;
  readonly secondaryNodeEvictionRate: number;
  readonly unhealthyZoneThreshold: number;
  readonly largeClusterSizeThreshold: number;
}

export function zoneState(readiness: readonly boolean[], { unhealthyZoneThreshold }: ZoneSettings): ZoneState {
  const ready = readiness.filter(Boolean).length;
  const notReady = readiness.length - ready;
  if (ready === 0 && notReady > 0) return 'FullDisruption';
  if (notReady > 2 && notReady / readiness.length >= unhealthyZoneThreshold) return 'PartialDisruption';
  return 'Normal';
}

/** Nodes a second that may get a NoExecute taint in a zone. */
export function evictionRate(state: ZoneState, size: number, settings: ZoneSettings): number {
  if (state === 'PartialDisruption') return size > settings.largeClusterSizeThreshold ? settings.secondaryNodeEvictionRate : 0;
  return settings.nodeEvictionRate;
}

const pressureTaints: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const managedNoSchedule = new Set([notReadyTaint, unreachableTaint, 'node.kubernetes.io/unschedulable', ...Object.values(pressureTaints)]);
const managedNoExecute = new Set([notReadyTaint, unreachableTaint]);

function readinessTaint(node: Node): string | undefined {
  const ready = readyCondition(node)?.status ?? 'Unknown';
  return ready === 'True' ? undefined : ready === 'False' ? notReadyTaint : unreachableTaint;
}

/**
 * The taints a node should have by its conditions: NoSchedule at once, NoExecute only when `mayEvict` grants it (or it
 * is already there under the other name), and never with `neverEvict`. Undefined: they are right as they are.
 */
export function planTaints(node: Node, options: { nowMs: number; mayEvict: () => boolean; neverEvict: boolean }): Taint[] | undefined {
  const known = node.spec?.taints ?? [];
  const wanted = new Set<string>();
  const readiness = readinessTaint(node);
  if (readiness) wanted.add(readiness);
  for (const { type, status } of node.status?.conditions ?? []) if (status === 'True' && pressureTaints[type]) wanted.add(pressureTaints[type]);
  if (node.spec?.unschedulable) wanted.add('node.kubernetes.io/unschedulable');
  // Nearly all nodes, every few seconds.
  if (wanted.size === 0 && known.length === 0) return undefined;
  const at = rfc3339(options.nowMs);
  const kept = known.filter(({ key, effect }) => {
    if (effect === 'NoSchedule' && managedNoSchedule.has(key)) return wanted.has(key);
    return !(effect === 'NoExecute' && managedNoExecute.has(key));
  });
  const has = (key: string): boolean => kept.some((taint) => taint.key === key && taint.effect === 'NoSchedule');
  const added = [...wanted].filter((key) => !has(key)).map((key): Taint => ({ key, effect: 'NoSchedule', timeAdded: at }));
  const executing = known.filter(({ key, effect }) => effect === 'NoExecute' && managedNoExecute.has(key));
  const right = executing.find(({ key }) => key === readiness);
  let noExecute: Taint[] = [];
  if (readiness && options.neverEvict) noExecute = [];
  else if (readiness && right) noExecute = [right];
  else if (readiness && (executing.length > 0 || options.mayEvict())) noExecute = [{ key: readiness, effect: 'NoExecute', timeAdded: at }];
  const next = [...kept, ...added, ...noExecute];
  const same = next.length === known.length && next.every((taint) => known.includes(taint));
  return same ? undefined : next;
}
