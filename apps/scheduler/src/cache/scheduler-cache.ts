import type { Node, Pod } from '@orrery/api/types';
import { type DeltaLog, createDeltaLog } from './delta-log.ts';
import { type LabelIndex, createLabelIndex } from './label-index.ts';
import { type NodeInfo, addPod, clearNode, emptyNodeInfo, removePod, setNode, touch } from './node-info.ts';
import { type Nominations, createNominations } from './nominations.ts';
import { type PodInfo, countsAlike } from './pod-info.ts';
import type { Snapshot } from './snapshot.ts';

interface Placed {
  readonly nodeName: string;
  /** Chosen by this scheduler, not yet seen bound. */
  assumed: boolean;
  readonly pod: PodInfo;
}

function zoneOf(node: Node): string {
  const labels = node.metadata?.labels ?? {};
  return `${labels['topology.kubernetes.io/region'] ?? ''}/${labels['topology.kubernetes.io/zone'] ?? ''}`;
}

/** Whether what decides which topology domains a node is part of, and for whom, is the same. */
function sameDomains(a: Node, b: Node): boolean {
  const facts = ({ metadata, spec }: Node): unknown[] => [metadata?.labels, spec?.taints, spec?.unschedulable];
  return a === b || JSON.stringify(facts(a)) === JSON.stringify(facts(b));
}

/** One node of each zone in turn, as upstream's node tree orders them. */
function interleaveZones(nodes: readonly NodeInfo[]): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>();
  for (const info of nodes) {
    const zone = info.node ? zoneOf(info.node) : '';
    const list = zones.get(zone);
    if (list) list.push(info);
    else zones.set(zone, [info]);
  }
  if (zones.size < 2) return [...nodes];
  const lists = [...zones.values()];
  const out: NodeInfo[] = [];
  for (let i = 0; out.length < nodes.length; i++) for (const list of lists) if (list[i]) out.push(list[i] as NodeInfo);
  return out;
}

/**
 * The scheduler's picture of the cluster: nodes, and pods on them. A pod it has placed counts from the moment it is
 * assumed, before the API server confirms; `forget` takes that back when binding fails.
 */
export interface SchedulerCache extends Snapshot {
  readonly deltas: DeltaLog;
  readonly labelled: LabelIndex['labelled'];
  setNode(node: Node): void;
  removeNode(name: string): void;
  /** A pod bound to a node was seen, new or changed; confirms an assumption. */
  setPod(pod: PodInfo, nodeName: string): void;
  /** The pod is another object now, with nothing changed that anything is worked out from. False when it is not placed. */
  refresh(uid: string, pod: Pod): boolean;
  removePod(uid: string): void;
  assume(pod: PodInfo, nodeName: string): void;
  forget(uid: string): void;
  /** What is known of a placed pod. */
  placed(uid: string): PodInfo | undefined;
  isPlaced(uid: string): boolean;
  podCount(): number;
  /** Pods placed by this scheduler that are not seen bound yet. */
  assumedCount(): number;
  readonly nominated: Nominations;
}

export function createSchedulerCache(): SchedulerCache {
  const infos = new Map<string, NodeInfo>();
  const placed = new Map<string, Placed>();
  let ordered: readonly NodeInfo[] | undefined;
  let affinityPodCount = 0;
  const imageCounts = new Map<string, number>();
  const freeSlots: number[] = [];
  const deltas: DeltaLog = createDeltaLog();
  /** Made when first asked for. */
  let byLabel: LabelIndex | undefined;

  const at = (name: string): NodeInfo => {
    let info = infos.get(name);
    if (!info) {
      infos.set(name, (info = emptyNodeInfo(name)));
      info.slot = freeSlots.pop() ?? infos.size - 1;
    }
    return info;
  };
  const countImages = (images: Iterable<string>, by: 1 | -1): void => {
    for (const image of images) {
      const count = (imageCounts.get(image) ?? 0) + by;
      if (count) imageCounts.set(image, count);
      else imageCounts.delete(image);
    }
  };
  const discard = (info: NodeInfo): void => {
    infos.delete(info.name);
    freeSlots.push(info.slot);
  };
  const drop = (uid: string): void => {
    const where = placed.get(uid);
    if (!where) return;
    placed.delete(uid);
    if (where.pod.affinity) affinityPodCount -= 1;
    const info = infos.get(where.nodeName);
    if (!info) return;
    removePod(info, uid);
    byLabel?.remove(where.pod);
    deltas.pod(info, where.pod, -1);
    if (!info.node && info.pods.size === 0) discard(info);
  };
  const place = (pod: PodInfo, nodeName: string, assumed: boolean): void => {
    const before = placed.get(pod.uid);
    // Confirmed as it was assumed: nothing that was worked out changes.
    if (before && before.nodeName === nodeName && countsAlike(before.pod, pod)) {
      before.assumed = assumed;
      before.pod.pod = pod.pod;
      return;
    }
    drop(pod.uid);
    const info = at(nodeName);
    addPod(info, pod);
    byLabel?.add(pod, info);
    deltas.pod(info, pod, 1);
    placed.set(pod.uid, { nodeName, assumed, pod });
    if (pod.affinity) affinityPodCount += 1;
  };

  return {
    deltas,
    labelled(namespace, key, value) {
      if (!byLabel) {
        byLabel = createLabelIndex();
        for (const { nodeName, pod } of placed.values()) byLabel.add(pod, at(nodeName));
      }
      return byLabel.labelled(namespace, key, value);
    },
    imageNodes: (image) => imageCounts.get(image) ?? 0,
    get nodes() {
      return (ordered ??= interleaveZones([...infos.values()].filter((info) => info.node)));
    },
    get affinityPodCount() {
      return affinityPodCount;
    },
    get: (name) => {
      const info = infos.get(name);
      return info?.node ? info : undefined;
    },
    setNode(node) {
      const info = at(node.metadata?.name ?? '');
      if (!info.node || zoneOf(info.node) !== zoneOf(node)) ordered = undefined;
      if (!info.node || !sameDomains(info.node, node)) deltas.restart();
      countImages(info.images.keys(), -1);
      setNode(info, node);
      countImages(info.images.keys(), 1);
    },
    removeNode(name) {
      const info = infos.get(name);
      if (!info) return;
      ordered = undefined;
      deltas.restart();
      countImages(info.images.keys(), -1);
      clearNode(info);
      if (info.pods.size === 0) discard(info);
    },
    setPod: (pod, nodeName) => place(pod, nodeName, false),
    refresh(uid, pod) {
      const where = placed.get(uid);
      if (!where) return false;
      // Preemption asks since when pods run.
      const info = where.pod.pod.status?.startTime === pod.status?.startTime ? undefined : infos.get(where.nodeName);
      if (info) touch(info);
      where.pod.pod = pod;
      return true;
    },
    removePod: drop,
    assume: (pod, nodeName) => place(pod, nodeName, true),
    forget(uid) {
      if (placed.get(uid)?.assumed) drop(uid);
    },
    placed: (uid) => placed.get(uid)?.pod,
    isPlaced: (uid) => placed.has(uid),
    podCount: () => placed.size,
    assumedCount: () => [...placed.values()].filter(({ assumed }) => assumed).length,
    nominated: createNominations(
      (uid) => placed.has(uid),
      (nodeName) => {
        const info = infos.get(nodeName);
        if (info) touch(info);
      },
    ),
  };
}
