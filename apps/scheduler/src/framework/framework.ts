import { type NodeInfo, addPod, copyNodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { type Snapshot, withNode } from '../cache/snapshot.ts';
import { type Status, failed, unresolvable, unschedulable } from './status.ts';
import { type CycleState, type Plugin, type PostFilterResult, type QueuedPod, isStatus } from './types.ts';

/** One plugin of a profile with the weight of its scores. */
export interface WeightedPlugin {
  readonly plugin: Plugin;
  readonly weight: number;
}

type Point = keyof Plugin;

/** Observes how long a plugin took at an extension point, in seconds. */
export type PluginTimer = (plugin: string, point: string, seconds: number) => void;

/** The plugins of one profile, run point by point in upstream's way: in order, the first refusal decides. */
export interface Framework {
  readonly schedulerName: string;
  readonly plugins: readonly WeightedPlugin[];
  less(a: QueuedPod, b: QueuedPod): boolean;
  preEnqueue(pod: PodInfo): Status | undefined;
  preFilter(state: CycleState, pod: PodInfo, snapshot: Snapshot): { status?: Status; nodeNames?: ReadonlySet<string>; filters: readonly Plugin[] };
  filter(state: CycleState, filters: readonly Plugin[], pod: PodInfo, node: NodeInfo): Status | undefined;
  /**
   * Whether a pod fits a node that may be a changed copy: PreFilter and Filter in a state of their own. It must fit both with
   * the `nominated` pods of its priority or higher on the node and without them, since they may yet go elsewhere.
   */
  fits(pod: PodInfo, node: NodeInfo, around: { snapshot: Snapshot; nominated: readonly PodInfo[] }): Status | undefined;
  postFilter(state: CycleState, pod: PodInfo, snapshot: Snapshot, statuses: ReadonlyMap<string, Status>): Promise<PostFilterResult | undefined>;
  /** Weighted total by node, in the order of `nodes`. */
  score(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): number[];
  reserve(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  unreserve(state: CycleState, pod: PodInfo, nodeName: string): void;
  /** Permit, PreBind, Bind and PostBind. */
  bind(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined>;
}

/** A PreFilter (node affinity by name) left this node out. */
export const notNamed: Status = { ...unresolvable("node(s) didn't satisfy plugin(s) [NodeAffinity]"), plugin: 'NodeAffinity' };

function named(status: Status, plugin: Plugin): Status {
  return { ...status, plugin: plugin.name };
}

function combine(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): ReadonlySet<string> | undefined {
  if (!a || !b) return a ?? b;
  return new Set([...a].filter((name) => b.has(name)));
}

/** Raw scores of one plugin for all nodes, normalised and weighted into the totals. */
function addScores(totals: number[], state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], { plugin, weight }: WeightedPlugin): void {
  const scores = nodes.map((node) => plugin.score?.(state, pod, node) ?? 0);
  plugin.normalize?.(state, pod, scores);
  for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + (scores[i] ?? 0) * weight;
}

async function firstRefusal(plugins: readonly Plugin[], run: (plugin: Plugin) => Promise<Status | undefined> | Status | undefined): Promise<Status | undefined> {
  for (const plugin of plugins) {
    const status = await run(plugin);
    if (status) return named(status, plugin);
  }
  return undefined;
}

export function createFramework(options: { schedulerName: string; plugins: readonly WeightedPlugin[]; now: () => number; observe: PluginTimer }): Framework {
  const { schedulerName, plugins, now, observe } = options;
  const at = (point: Point): Plugin[] => plugins.map((p) => p.plugin).filter((p) => p[point] !== undefined);
  const points = { preEnqueue: at('preEnqueue'), preFilter: at('preFilter'), filter: at('filter'), postFilter: at('postFilter'), reserve: at('reserve'), permit: at('permit'), preBind: at('preBind'), bind: at('bind'), postBind: at('postBind') };
  const scorers = plugins.filter((p) => p.plugin.score && p.weight > 0);
  const sorter = at('less')[0];
  if (!sorter?.less) throw new Error(`profile ${schedulerName} has no queue sort plugin`);
  if (points.bind.length === 0) throw new Error(`profile ${schedulerName} has no bind plugin`);
  const timed = <T>(plugin: Plugin, point: string, run: () => T): T => {
    const began = now();
    const result = run();
    observe(plugin.name, point, (now() - began) / 1000);
    return result;
  };

  return {
    schedulerName,
    plugins,
    less: sorter.less.bind(sorter),
    preEnqueue(pod) {
      for (const plugin of points.preEnqueue) {
        const status = plugin.preEnqueue?.(pod);
        if (status) return named(status, plugin);
      }
      return undefined;
    },
    preFilter(state, pod, snapshot) {
      let nodeNames: ReadonlySet<string> | undefined;
      const skipped = new Set<Plugin>();
      for (const plugin of points.preFilter) {
        const result = timed(plugin, 'PreFilter', () => plugin.preFilter?.(state, pod, snapshot));
        if (!isStatus(result)) nodeNames = combine(nodeNames, result?.nodeNames);
        else if (result.code === 'Skip') skipped.add(plugin);
        else return { status: named(result, plugin), filters: [] };
      }
      const filters = points.filter.filter((plugin) => !skipped.has(plugin));
      return { filters, ...(nodeNames ? { nodeNames } : {}) };
    },
    filter(state, filters, pod, node) {
      for (const plugin of filters) {
        const status = plugin.filter?.(state, pod, node);
        if (status) return named(status, plugin);
      }
      return undefined;
    },
    fits(pod, node, { snapshot, nominated }) {
      const tryOn = (at: NodeInfo): Status | undefined => {
        const state: CycleState = new Map();
        const pre = this.preFilter(state, pod, withNode(snapshot, at));
        if (pre.status) return pre.status;
        if (pre.nodeNames && !pre.nodeNames.has(at.name)) return notNamed;
        return this.filter(state, pre.filters, pod, at);
      };
      const ahead = nominated.filter((other) => other.priority >= pod.priority && other.uid !== pod.uid);
      if (ahead.length === 0) return tryOn(node);
      const crowded = copyNodeInfo(node);
      for (const other of ahead) addPod(crowded, other);
      return tryOn(crowded) ?? tryOn(node);
    },
    async postFilter(state, pod, snapshot, statuses) {
      for (const plugin of points.postFilter) {
        const result = await plugin.postFilter?.(state, pod, snapshot, statuses);
        if (result) return result;
      }
      return undefined;
    },
    score(state, pod, nodes) {
      const totals = new Array<number>(nodes.length).fill(0);
      for (const weighted of scorers) {
        const { plugin } = weighted;
        if (plugin.preScore?.(state, pod, nodes)?.code === 'Skip') continue;
        timed(plugin, 'Score', () => addScores(totals, state, pod, nodes, weighted));
      }
      return totals;
    },
    reserve(state, pod, nodeName) {
      for (const plugin of points.reserve) {
        const status = plugin.reserve?.(state, pod, nodeName);
        if (status) return named(status, plugin);
      }
      return undefined;
    },
    unreserve(state, pod, nodeName) {
      for (const { plugin } of [...plugins].reverse()) plugin.unreserve?.(state, pod, nodeName);
    },
    async bind(state, pod, nodeName, signal) {
      try {
        const held = await firstRefusal(points.permit, (plugin) => plugin.permit?.(state, pod, nodeName, signal));
        if (held) return held;
        const unprepared = await firstRefusal(points.preBind, (plugin) => plugin.preBind?.(state, pod, nodeName, signal));
        if (unprepared) return unprepared;
        for (const plugin of points.bind) {
          const status = await plugin.bind?.(state, pod, nodeName);
          if (status?.code === 'Skip') continue;
          if (status) return named(status, plugin);
          for (const after of points.postBind) after.postBind?.(state, pod, nodeName);
          return undefined;
        }
        return unschedulable('no bind plugin took the pod');
      } catch (error) {
        return failed(error);
      }
    },
  };
}
