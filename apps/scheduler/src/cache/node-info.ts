import type { Node, Taint } from '@orrery/api/types';
import type { HostPort, PodInfo } from './pod-info.ts';
import { type Resources, addResources, emptyResources, toResources, wholeOf } from './resources.ts';

/** A node and the pods on it (bound or assumed), with their sums kept up to date. */
export interface NodeInfo {
  readonly name: string;
  /** Its place in arrays that have one entry a node; free to be used again when the node is gone. -1: a copy, which has none. */
  slot: number;
  /** Another number after every change of the node, its pods, or those nominated to it; no two nodes share one. */
  generation: number;
  /** Undefined while pods name a node that has not been seen, or is gone. */
  node: Node | undefined;
  labels: Readonly<Record<string, string>>;
  /** Taints that keep pods away: NoSchedule and NoExecute. */
  hardTaints: readonly Taint[];
  softTaints: readonly Taint[];
  allocatable: Resources;
  allowedPods: number;
  readonly pods: Map<string, PodInfo>;
  /** Those of `pods` with pod affinity or anti-affinity; replaced, never changed in place. */
  affinityPods: readonly PodInfo[];
  readonly requested: Resources;
  readonly nonZeroRequested: Resources;
  readonly hostPorts: HostPort[];
  images: ReadonlyMap<string, number>;
}

let lastGeneration = 0;

/** What was worked out for the node before no longer holds. */
export function touch(info: NodeInfo): void {
  info.generation = ++lastGeneration;
}

export function emptyNodeInfo(name: string): NodeInfo {
  return {
    name,
    slot: -1,
    generation: ++lastGeneration,
    node: undefined,
    labels: {},
    hardTaints: [],
    softTaints: [],
    allocatable: emptyResources(),
    allowedPods: 0,
    pods: new Map(),
    affinityPods: [],
    requested: emptyResources(),
    nonZeroRequested: emptyResources(),
    hostPorts: [],
    images: new Map(),
  };
}

export function setNode(info: NodeInfo, node: Node): void {
  const taints = node.spec?.taints ?? [];
  touch(info);
  info.node = node;
  info.labels = node.metadata?.labels ?? {};
  info.hardTaints = taints.filter((t) => t.effect === 'NoSchedule' || t.effect === 'NoExecute');
  info.softTaints = taints.filter((t) => t.effect === 'PreferNoSchedule');
  info.allocatable = toResources(node.status?.allocatable);
  info.allowedPods = wholeOf(node.status?.allocatable?.['pods'] ?? '0');
  info.images = new Map((node.status?.images ?? []).flatMap((image) => (image.names ?? []).map((name) => [name, image.sizeBytes ?? 0] as const)));
}

export function clearNode(info: NodeInfo): void {
  const { name, slot: _slot, pods: _pods, affinityPods: _affinityPods, requested: _requested, nonZeroRequested: _nonZero, hostPorts: _ports, ...blank } = emptyNodeInfo(info.name);
  Object.assign(info, blank, { name });
}

/** A copy to try changes on. Pods are added anew, so whatever is derived from them is the copy's own. */
export function copyNodeInfo(info: NodeInfo): NodeInfo {
  const { node, labels, hardTaints, softTaints, allocatable, allowedPods, images } = info;
  const copy: NodeInfo = { ...emptyNodeInfo(info.name), node, labels, hardTaints, softTaints, allocatable, allowedPods, images };
  for (const pod of info.pods.values()) addPod(copy, pod);
  return copy;
}

export function addPod(info: NodeInfo, pod: PodInfo): void {
  touch(info);
  info.pods.set(pod.uid, pod);
  if (pod.affinity) info.affinityPods = [...info.affinityPods, pod];
  addResources(info.requested, pod.requests);
  addResources(info.nonZeroRequested, pod.nonZero);
  info.hostPorts.push(...pod.hostPorts);
}

export function removePod(info: NodeInfo, uid: string): void {
  const pod = info.pods.get(uid);
  if (!pod) return;
  touch(info);
  info.pods.delete(uid);
  if (pod.affinity) info.affinityPods = info.affinityPods.filter((other) => other !== pod);
  addResources(info.requested, pod.requests, -1);
  addResources(info.nonZeroRequested, pod.nonZero, -1);
  for (const port of pod.hostPorts) info.hostPorts.splice(info.hostPorts.indexOf(port), 1);
}
