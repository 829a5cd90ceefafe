/** What an autoscaler remembers between two looks; lost when its controller restarts, as upstream's. */
export interface History {
  /** Before they were stabilized, oldest first. */
  readonly recommendations: readonly { readonly replicas: number; readonly atMs: number }[];
  readonly ups: readonly ScaleChange[];
  readonly downs: readonly ScaleChange[];
}

export interface ScaleChange {
  /** Positive, in either direction. */
  readonly replicas: number;
  readonly atMs: number;
}

/** Begins with the size it found, so that a restarted controller does not scale down at once. */
export function startHistory(replicas: number, nowMs: number): History {
  return { recommendations: [{ replicas, atMs: nowMs }], ups: [], downs: [] };
}

/** How many replicas came (or went) within the last seconds. */
export function changedWithin(changes: readonly ScaleChange[], seconds: number, nowMs: number): number {
  const after = nowMs - seconds * 1000;
  return changes.reduce((so, { replicas, atMs }) => (atMs > after ? so + replicas : so), 0);
}
