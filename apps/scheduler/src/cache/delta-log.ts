import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

/** A pod came to a node (1) or left it (-1). */
export interface PodDelta {
  readonly node: NodeInfo;
  readonly pod: PodInfo;
  readonly sign: 1 | -1;
}

/** A point in the log. */
export interface Mark {
  readonly epoch: number;
  readonly at: number;
}

/**
 * Which pods came and went since when, so that sums over all pods need not be made anew for every pod that is scheduled.
 * A change of nodes, or of anything else sums depend on, begins a new epoch: all sums are void.
 */
export interface DeltaLog {
  pod(node: NodeInfo, pod: PodInfo, sign: 1 | -1): void;
  restart(): void;
  mark(): Mark;
  /** Tells of each change since. False when that was too long ago, or in another epoch: then of none. */
  since(mark: Mark, visit: (delta: PodDelta) => void): boolean;
}

/** Keeps at least the last `keep` changes, at most twice as many. */
export function createDeltaLog(keep = 4096): DeltaLog {
  let epoch = 0;
  let first = 0;
  let log: PodDelta[] = [];
  return {
    pod(node, pod, sign) {
      if (log.length >= keep * 2) {
        log = log.slice(keep);
        first += keep;
      }
      log.push({ node, pod, sign });
    },
    restart() {
      epoch += 1;
      first += log.length;
      log = [];
    },
    mark: () => ({ epoch, at: first + log.length }),
    since(mark, visit) {
      if (mark.epoch !== epoch || mark.at < first) return false;
      for (let i = mark.at - first; i < log.length; i++) visit(log[i] as PodDelta);
      return true;
    },
  };
}
