import type { NodeInfo } from './node-info.ts';

/** The nodes as one scheduling cycle sees them. Cycles do not overlap, so the cache itself serves as the snapshot. */
export interface Snapshot {
  /** Nodes that exist, zones interleaved so that sampling spreads over zones. */
  readonly nodes: readonly NodeInfo[];
  get(name: string): NodeInfo | undefined;
}
