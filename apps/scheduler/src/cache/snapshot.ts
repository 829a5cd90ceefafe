import type { DeltaLog } from './delta-log.ts';
import type { LabelIndex } from './label-index.ts';
import type { NodeInfo } from './node-info.ts';

/** The nodes as one scheduling cycle sees them. Cycles do not overlap, so the cache itself serves as the snapshot. */
export interface Snapshot {
  /** Nodes that exist, zones interleaved so that sampling spreads over zones. */
  readonly nodes: readonly NodeInfo[];
  /** Pods with pod affinity or anti-affinity, on known nodes or not: 0 spares a look at the nodes. Undefined when nobody counted. */
  readonly affinityPodCount?: number | undefined;
  get(name: string): NodeInfo | undefined;
  /** How many nodes have an image; absent when nobody counted. */
  imageNodes?(image: string): number;
  /** Pods by label; absent from what-if snapshots. */
  readonly labelled?: LabelIndex['labelled'];
  /** What changed since when; undefined for what-if snapshots. */
  readonly deltas?: DeltaLog;
}

/** The same nodes, one of them in a changed copy. */
export function withNode(snapshot: Snapshot, node: NodeInfo): Snapshot {
  let nodes: readonly NodeInfo[] | undefined;
  return {
    affinityPodCount: snapshot.affinityPodCount === 0 && node.affinityPods.length === 0 ? 0 : undefined,
    get nodes() {
      return (nodes ??= snapshot.nodes.map((other) => (other.name === node.name ? node : other)));
    },
    get: (name) => (name === node.name ? node : snapshot.get(name)),
  };
}
