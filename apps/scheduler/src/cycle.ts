import type { Env } from '@orrery/runtime';
import type { NodeInfo } from './cache/node-info.ts';
import type { PodInfo } from './cache/pod-info.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { type Extender, filterByExtenders, scoreByExtenders } from './extenders/extender.ts';
import { type Framework, type PreFiltered, notNamed } from './framework/framework.ts';
import { type FitError, type Status, type StatusList, sameStatus, statusList } from './framework/status.ts';
import type { CycleState } from './framework/types.ts';
import type { SchedulerMetrics } from './metrics.ts';

/** What came of one try. */
export type Outcome = { readonly nodeName: string } | { readonly fitError: FitError } | { readonly error: string };

const minFeasibleNodes = 100;
const minPercentage = 5;

/** Upstream's sampling: all nodes up to 100; beyond, 50 % less one for every 125 nodes, at least 5 %. */
export function feasibleNodesWanted(nodeCount: number, percentage: number): number {
  if (nodeCount <= minFeasibleNodes) return nodeCount;
  const share = percentage > 0 ? Math.min(100, percentage) : Math.max(minPercentage, 50 - Math.floor(nodeCount / 125));
  return Math.max(minFeasibleNodes, Math.floor((nodeCount * share) / 100));
}

/** The nodes that passed, and what was said of the others. */
interface Found {
  readonly nodes: NodeInfo[];
  readonly statuses: StatusList;
  readonly fitError: FitError;
}

/** From a pod to a node. */
export interface Cycle {
  /** One pod against the present snapshot; a promise when extenders are asked. */
  schedule(framework: Framework, state: CycleState, pod: PodInfo): Outcome | Promise<Outcome>;
}

export interface CycleOptions {
  readonly env: Env;
  readonly cache: SchedulerCache;
  readonly extenders: readonly Extender[];
  readonly metrics: SchedulerMetrics;
}

/** A PreFilter's refusal stands for every node. */
function refusedAll(nodes: readonly NodeInfo[], status: Status): FitError {
  return { nodeCount: nodes.length, statuses: sameStatus(nodes, status), preFilterMessage: status.reasons.join(', '), refusedBy: status.plugin ? [status.plugin] : [] };
}

export function createCycle(options: CycleOptions): Cycle {
  const { env, cache, extenders, metrics } = options;
  let nextStart = 0;

  const findFeasible = (framework: Framework, state: CycleState, pod: PodInfo): Found | { readonly error: Status } => {
    const preFilterBegan = metrics.now();
    const pre = framework.preFilter(state, pod, cache);
    metrics.whole(framework.schedulerName, 'PreFilter', preFilterBegan, pre.status);
    metrics.evaluated(framework.schedulerName, 'PreFilter', pre.asked);
    metrics.evaluated(framework.schedulerName, 'Filter', pre.filters);
    if (pre.status?.code === 'Error') return { error: pre.status };
    if (pre.status) return { nodes: [], statuses: statusList(), fitError: refusedAll(cache.nodes, pre.status) };
    const filterBegan = metrics.now();
    const found = search(framework, state, pod, pre);
    metrics.whole(framework.schedulerName, 'Filter', filterBegan, 'error' in found ? found.error : undefined);
    return found;
  };

  const search = (framework: Framework, state: CycleState, pod: PodInfo, pre: PreFiltered): Found | { readonly error: Status } => {
    const all = cache.nodes;
    const named = pre.nodeNames && [...pre.nodeNames].flatMap((name) => cache.get(name) ?? []);
    const candidates = named ?? all;
    const statuses = statusList(candidates);
    const tryNode = framework.judge(state, pre, pod, { snapshot: cache, nominated: cache.nominated });
    const mine = cache.nominated.size ? cache.get(cache.nominated.of(pod.uid) ?? '') : undefined;
    if (mine && (pre.nodeNames?.has(mine.name) ?? true) && !tryNode(mine)) return { nodes: [mine], statuses, fitError: { nodeCount: all.length, statuses } };
    const wanted = feasibleNodesWanted(candidates.length, framework.percentageOfNodesToScore);
    const count = candidates.length;
    const nodes = new Array<NodeInfo>(Math.min(wanted, count));
    let found = 0;
    let at = named ? 0 : nextStart % Math.max(1, count);
    for (let looked = 0; looked < count && found < wanted; looked++) {
      const node = candidates[at] as NodeInfo;
      const status = tryNode(node);
      if (!status) nodes[found++] = node;
      else if (status.code === 'Error') return { error: status };
      else statuses.addAt(at, status);
      if (++at === count) at = 0;
    }
    nodes.length = found;
    if (!named) nextStart = at;
    if (named && nodes.length === 0) {
      const leftOut = notNamed(pre.namedBy ?? []);
      for (const node of all) if (!pre.nodeNames?.has(node.name)) statuses.add(node, leftOut);
    }
    return { nodes, statuses, fitError: { nodeCount: all.length, statuses } };
  };

  /** The highest score; among equals a fair draw. */
  const best = (nodes: readonly NodeInfo[], scores: Float64Array): NodeInfo => {
    let top = Number.NEGATIVE_INFINITY;
    let equals = 0;
    for (let i = 0; i < scores.length; i++) {
      const score = scores[i] as number;
      if (score > top) {
        top = score;
        equals = 1;
      } else if (score === top) equals += 1;
    }
    let drawn = equals > 1 ? env.random.int(equals) : 0;
    let at = Math.max(0, scores.indexOf(top));
    while (drawn-- > 0) at = scores.indexOf(top, at + 1);
    return nodes[at] as NodeInfo;
  };

  const score = (framework: Framework, state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Float64Array | { readonly error: string } => {
    const began = metrics.now();
    const scores = framework.score(state, pod, nodes, { asked: (point, plugins) => metrics.evaluated(framework.schedulerName, point, plugins) });
    metrics.whole(framework.schedulerName, 'Score', began, scores);
    return scores instanceof Float64Array ? scores : { error: scores.reasons.join(', ') };
  };

  const askExtenders = async (framework: Framework, state: CycleState, pod: PodInfo, found: Found, asked: readonly Extender[]): Promise<Outcome> => {
    const nodes = await filterByExtenders(asked, pod, found.nodes, { refused: (node, status) => found.statuses.add(node, status), log: env.log });
    const [only] = nodes;
    if (!only) return { fitError: found.fitError };
    if (nodes.length === 1) return { nodeName: only.name };
    const scores = score(framework, state, pod, nodes);
    if ('error' in scores) return scores;
    await scoreByExtenders(asked, pod, nodes, { totals: scores, log: env.log });
    return { nodeName: best(nodes, scores).name };
  };

  return {
    schedule(framework, state, pod) {
      if (cache.nodes.length === 0) return { fitError: { nodeCount: 0, statuses: statusList(), preFilterMessage: 'no nodes available to schedule pods' } };
      const found = findFeasible(framework, state, pod);
      if ('error' in found) return { error: found.error.reasons.join(', ') };
      const asked = extenders.length && found.nodes.length ? extenders.filter((extender) => extender.interested(pod)) : [];
      if (asked.length) return askExtenders(framework, state, pod, found, asked);
      const [only] = found.nodes;
      if (!only) return { fitError: found.fitError };
      if (found.nodes.length === 1) return { nodeName: only.name };
      const scores = score(framework, state, pod, found.nodes);
      return 'error' in scores ? scores : { nodeName: best(found.nodes, scores).name };
    },
  };
}
