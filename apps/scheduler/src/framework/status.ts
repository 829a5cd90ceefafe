import type { NodeInfo } from '../cache/node-info.ts';

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

/** What the filters said of each node they were asked about. */
export interface NodeStatuses {
  readonly size: number;
  get(nodeName: string): Status | undefined;
  values(): Iterable<Status>;
  each(visit: (node: Pick<NodeInfo, 'name'> | NodeInfo, status: Status) => void): void;
}

/** Statuses by node, cheap to fill: they are looked up only when no node fits. */
export interface StatusList extends NodeStatuses {
  add(node: Pick<NodeInfo, 'name'>, status: Status): void;
}

export function statusList(): StatusList {
  const nodes: (Pick<NodeInfo, 'name'> | NodeInfo)[] = [];
  const statuses: Status[] = [];
  let byName: Map<string, Status> | undefined;
  return {
    get size() {
      return nodes.length;
    },
    add(node, status) {
      nodes.push(node);
      statuses.push(status);
      byName = undefined;
    },
    get(nodeName) {
      byName ??= new Map(nodes.map(({ name }, i) => [name, statuses[i] as Status]));
      return byName.get(nodeName);
    },
    values: () => statuses.values(),
    each(visit) {
      for (let i = 0; i < nodes.length; i++) visit(nodes[i] as NodeInfo, statuses[i] as Status);
    },
  };
}

/** One status for every node. */
export function sameStatus(nodes: readonly NodeInfo[], status: Status): NodeStatuses {
  return {
    size: nodes.length,
    get: (nodeName) => (nodes.some(({ name }) => name === nodeName) ? status : undefined),
    *values() {
      for (let i = 0; i < nodes.length; i++) yield status;
    },
    each(visit) {
      for (const node of nodes) visit(node, status);
    },
  };
}

/** Why no node fits a pod: each node's first failing status. */
export interface FitError {
  readonly nodeCount: number;
  readonly statuses: NodeStatuses;
  /** Of a PreFilter that refused all nodes at once. */
  readonly preFilterMessage?: string;
  readonly postFilterMessage?: string;
  /** Plugins that refused without a node to refuse: PreFilter, Reserve, Permit. */
  readonly refusedBy?: readonly string[];
}

/** The plugins that refused a node, or the pod altogether. */
export function refusingPlugins({ statuses, refusedBy = [] }: FitError): Set<string> {
  const found = new Set(refusedBy);
  let last: Status | undefined;
  for (const status of statuses.values()) {
    // Most nodes in a row are refused alike.
    if (status !== last && status.plugin) found.add(status.plugin);
    last = status;
  }
  return found;
}

function countReasons(statuses: NodeStatuses): Map<string, number> {
  const byStatus = new Map<Status, number>();
  let last: Status | undefined;
  let row = 0;
  const close = (): void => void (last && byStatus.set(last, (byStatus.get(last) ?? 0) + row));
  for (const status of statuses.values()) {
    if (status !== last) {
      close();
      [last, row] = [status, 0];
    }
    row += 1;
  }
  close();
  const counts = new Map<string, number>();
  for (const [status, times] of byStatus) for (const reason of status.reasons) counts.set(reason, (counts.get(reason) ?? 0) + times);
  return counts;
}

/** `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) were unschedulable.` in upstream's order and punctuation. */
export function fitErrorMessage(error: FitError): string {
  let text = `0/${error.nodeCount} nodes are available`;
  if (error.preFilterMessage) {
    text += `: ${error.preFilterMessage}.`;
  } else {
    const parts = [...countReasons(error.statuses)].map(([reason, count]) => `${count} ${reason}`).sort();
    if (parts.length) text += `: ${parts.join(', ')}.`;
  }
  return error.postFilterMessage ? `${text} ${error.postFilterMessage}` : text;
}
