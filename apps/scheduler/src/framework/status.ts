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
  /** Most nodes in a row are refused alike: each status with how many of them. */
  runs(visit: (status: Status, count: number) => void): void;
  each(visit: (node: Pick<NodeInfo, 'name'> | NodeInfo, status: Status) => void): void;
}

/** Statuses by node, cheap to fill: they are looked up only when no node fits. */
export interface StatusList extends NodeStatuses {
  add(node: Pick<NodeInfo, 'name'>, status: Status): void;
  /** Of the node that is there in the list's `nodes`. */
  addAt(index: number, status: Status): void;
}

/** One status of some nodes in a row: of `nodes` from `from` up to but not including `to`, or of one that is not among them. */
interface Run {
  readonly from: number;
  to: number;
  readonly status: Status;
  readonly other: Pick<NodeInfo, 'name'> | undefined;
}

class RunList implements StatusList {
  size = 0;
  private readonly nodes: readonly NodeInfo[];
  private readonly list: Run[] = [];
  private last: Run | undefined;
  private byName: Map<string, Status> | undefined;

  constructor(nodes: readonly NodeInfo[]) {
    this.nodes = nodes;
  }

  add(node: Pick<NodeInfo, 'name'>, status: Status): void {
    this.size++;
    this.byName = undefined;
    this.last = undefined;
    this.list.push({ from: 0, to: 1, status, other: node });
  }

  addAt(index: number, status: Status): void {
    this.size++;
    this.byName = undefined;
    const { last } = this;
    if (last && last.status === status && last.to === index) {
      last.to = index + 1;
      return;
    }
    this.list.push((this.last = { from: index, to: index + 1, status, other: undefined }));
  }

  get(nodeName: string): Status | undefined {
    if (!this.byName) {
      const found = new Map<string, Status>();
      this.each(({ name }, status) => found.set(name, status));
      this.byName = found;
    }
    return this.byName.get(nodeName);
  }

  runs(visit: (status: Status, count: number) => void): void {
    for (const { status, from, to } of this.list) visit(status, to - from);
  }

  each(visit: (node: Pick<NodeInfo, 'name'> | NodeInfo, status: Status) => void): void {
    for (const { status, from, to, other } of this.list) {
      if (other) visit(other, status);
      else for (let i = from; i < to; i++) visit(this.nodes[i] as NodeInfo, status);
    }
  }
}

/** `nodes` is what `addAt` counts in; it must stay as it is. */
export function statusList(nodes: readonly NodeInfo[] = []): StatusList {
  return new RunList(nodes);
}

/** One status for every node. */
export function sameStatus(nodes: readonly NodeInfo[], status: Status): NodeStatuses {
  return {
    size: nodes.length,
    get: (nodeName) => (nodes.some(({ name }) => name === nodeName) ? status : undefined),
    runs: (visit) => visit(status, nodes.length),
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
  statuses.runs(({ plugin }) => void (plugin && found.add(plugin)));
  return found;
}

function countReasons(statuses: NodeStatuses): Map<string, number> {
  const byStatus = new Map<Status, number>();
  statuses.runs((status, count) => void byStatus.set(status, (byStatus.get(status) ?? 0) + count));
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
