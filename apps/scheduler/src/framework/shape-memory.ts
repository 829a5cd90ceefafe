import type { NodeInfo } from '../cache/node-info.ts';
import type { Status } from './status.ts';
import type { Scores } from './types.ts';

/** What is known of pods of one shape, node by node. */
export interface ShapeResults {
  /** The kept verdict, or the one `judge` gives now. */
  status(node: NodeInfo, judge: (node: NodeInfo) => Status | undefined): Status | undefined;
  /** The kept raw scores of the `row`th scorer, or those that `score` gives now. */
  scoreAll(row: number, nodes: readonly NodeInfo[], scores: Scores, score: (node: NodeInfo) => number): void;
}

/** Results by shape. Shapes seen once are only remembered by name, so that pods that are all different cost nothing. */
export interface ShapeMemory {
  of(shape: string): ShapeResults | undefined;
}

class Results implements ShapeResults {
  private readonly statusAt: number[] = [];
  private readonly statuses: (Status | undefined)[] = [];
  private readonly scoreAt: number[][];
  private readonly scores: number[][];

  constructor(rows: number) {
    this.scoreAt = Array.from({ length: rows }, () => []);
    this.scores = Array.from({ length: rows }, () => []);
  }

  status(node: NodeInfo, judge: (node: NodeInfo) => Status | undefined): Status | undefined {
    const { slot, generation } = node;
    if (this.statusAt[slot] === generation) return this.statuses[slot];
    for (let i = this.statusAt.length; i < slot; i++) this.statusAt[i] = 0;
    const status = judge(node);
    this.statusAt[slot] = generation;
    this.statuses[slot] = status;
    return status;
  }

  scoreAll(row: number, nodes: readonly NodeInfo[], scores: Scores, score: (node: NodeInfo) => number): void {
    const at = this.scoreAt[row] as number[];
    const kept = this.scores[row] as number[];
    for (let n = 0; n < nodes.length; n++) {
      const node = nodes[n] as NodeInfo;
      const { slot, generation } = node;
      if (at[slot] !== generation) {
        for (let i = at.length; i < slot; i++) at[i] = kept[i] = 0;
        at[slot] = generation;
        kept[slot] = score(node);
      }
      scores[n] = kept[slot] as number;
    }
  }
}

/** `rows` is how many scorers there are; the shapes used least lately are forgotten. */
export function createShapeMemory(rows: number, limit = 32): ShapeMemory {
  const known = new Map<string, Results | undefined>();
  /** Of the shape asked for last, which is often asked for again. */
  let last: { readonly shape: string; readonly results: Results } | undefined;
  return {
    of(shape) {
      if (last?.shape === shape) return last.results;
      const seen = known.has(shape);
      const found = known.get(shape) ?? (seen ? new Results(rows) : undefined);
      known.delete(shape);
      known.set(shape, found);
      last = found && { shape, results: found };
      if (known.size > limit) known.delete(known.keys().next().value as string);
      return found;
    },
  };
}
