/** Upstream's result codes of extension points. Success is written as `undefined`: nothing to say. */
export type Code = 'Error' | 'Unschedulable' | 'UnschedulableAndUnresolvable' | 'Wait' | 'Skip';

export interface Status {
  readonly code: Code;
  /** Shown in events and conditions, counted over nodes: `3 Insufficient cpu`. */
  readonly reasons: readonly string[];
  /** Set by the framework. */
  readonly plugin?: string;
}

export function unschedulable(...reasons: string[]): Status {
  return { code: 'Unschedulable', reasons };
}

/** Preempting pods cannot help: wrong node name, affinity, taints. */
export function unresolvable(...reasons: string[]): Status {
  return { code: 'UnschedulableAndUnresolvable', reasons };
}

export function failed(error: unknown): Status {
  return { code: 'Error', reasons: [error instanceof Error ? error.message : String(error)] };
}

export const skip: Status = { code: 'Skip', reasons: [] };

/** Why no node fits a pod: each node's first failing status. */
export interface FitError {
  readonly nodeCount: number;
  readonly statuses: ReadonlyMap<string, Status>;
  /** Of a PreFilter that refused all nodes at once. */
  readonly preFilterMessage?: string;
  readonly postFilterMessage?: string;
}

/** `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) were unschedulable.` in upstream's order and punctuation. */
export function fitErrorMessage(error: FitError): string {
  let text = `0/${error.nodeCount} nodes are available`;
  if (error.preFilterMessage) {
    text += `: ${error.preFilterMessage}.`;
  } else {
    const counts = new Map<string, number>();
    for (const status of error.statuses.values()) for (const reason of status.reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
    if (parts.length) text += `: ${parts.join(', ')}.`;
  }
  return error.postFilterMessage ? `${text} ${error.postFilterMessage}` : text;
}
