import type { Timer } from '@orrery/runtime';
import type { Env } from '@orrery/runtime';
import type { NodeInfo } from './cache/node-info.ts';
import type { PodInfo } from './cache/pod-info.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { type Framework, notNamed } from './framework/framework.ts';
import { type FitError, type Status, fitErrorMessage } from './framework/status.ts';
import type { CycleState, QueuedPod } from './framework/types.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

/** What came of one try. */
export type Outcome = { readonly nodeName: string } | { readonly fitError: FitError };

export interface SchedulerOptions {
  readonly env: Env;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly framework: (schedulerName: string) => Framework | undefined;
  readonly metrics: SchedulerMetrics;
  /** Share of nodes to find before scoring; 0 is upstream's adaptive share. */
  readonly percentageOfNodesToScore: number;
  /** The pod has a node. */
  bound(pod: PodInfo, nodeName: string): void;
  /** The pod has none; the message is for its condition and event. */
  refused(pod: PodInfo, reason: 'Unschedulable' | 'SchedulerError', message: string, nominatedNode: string | undefined): void;
  /** Still wanted: exists, not bound, not being deleted. */
  isPending(pod: PodInfo): boolean;
}

const minFeasibleNodes = 100;
const minPercentage = 5;
/** How long the loop runs before it lets I/O happen. */
const sliceMs = 8;

/** Upstream's sampling: all nodes up to 100; beyond, 50 % less one for every 125 nodes, at least 5 %. */
export function feasibleNodesWanted(nodeCount: number, percentage: number): number {
  if (nodeCount <= minFeasibleNodes) return nodeCount;
  const share = percentage > 0 ? Math.min(100, percentage) : Math.max(minPercentage, 50 - Math.floor(nodeCount / 125));
  return Math.max(minFeasibleNodes, Math.floor((nodeCount * share) / 100));
}

/** Takes pods off the queue one at a time, finds each a node on the cache, and binds them in the background. */
export interface Scheduler {
  start(): void;
  stop(): Promise<void>;
  /** One pod against the present snapshot; pure but for the plugins' cycle state. */
  schedule(framework: Framework, state: CycleState, pod: PodInfo): Outcome;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { env, cache, queue, metrics } = options;
  const binding = new Set<Promise<void>>();
  let running = false;
  let stopping = new AbortController();
  let wake: Timer | undefined;
  let nextStart = 0;

  const findFeasible = (framework: Framework, state: CycleState, pod: PodInfo): { nodes: NodeInfo[]; fitError: FitError } => {
    const all = cache.nodes;
    const statuses = new Map<string, Status>();
    const pre = framework.preFilter(state, pod, cache);
    if (pre.status) return { nodes: [], fitError: preFilterError(all, pre.status) };
    const tryNode = (node: NodeInfo): Status | undefined => {
      const nominated = cache.nominated.on(node.name);
      return nominated.length ? framework.fits(pod, node, { snapshot: cache, nominated }) : framework.filter(state, pre.filters, pod, node);
    };
    const mine = cache.get(cache.nominated.of(pod.uid) ?? '');
    if (mine && (pre.nodeNames?.has(mine.name) ?? true) && !tryNode(mine)) return { nodes: [mine], fitError: { nodeCount: all.length, statuses } };
    const named = pre.nodeNames && [...pre.nodeNames].flatMap((name) => cache.get(name) ?? []);
    const candidates = named ?? all;
    const wanted = feasibleNodesWanted(candidates.length, options.percentageOfNodesToScore);
    const nodes: NodeInfo[] = [];
    let looked = 0;
    for (; looked < candidates.length && nodes.length < wanted; looked++) {
      const node = candidates[named ? looked : (nextStart + looked) % candidates.length] as NodeInfo;
      const status = tryNode(node);
      if (status) statuses.set(node.name, status);
      else nodes.push(node);
    }
    if (!named && all.length) nextStart = (nextStart + looked) % all.length;
    if (named && nodes.length === 0) for (const node of all) if (!statuses.has(node.name)) statuses.set(node.name, notNamed);
    return { nodes, fitError: { nodeCount: all.length, statuses } };
  };

  const schedule = (framework: Framework, state: CycleState, pod: PodInfo): Outcome => {
    if (cache.nodes.length === 0) return { fitError: { nodeCount: 0, statuses: new Map(), preFilterMessage: 'no nodes available to schedule pods' } };
    const { nodes, fitError } = findFeasible(framework, state, pod);
    const [only] = nodes;
    if (!only) return { fitError };
    if (nodes.length === 1) return { nodeName: only.name };
    return { nodeName: best(nodes, framework.score(state, pod, nodes)).name };
  };

  /** The highest score; among equals a fair draw. */
  const best = (nodes: readonly NodeInfo[], scores: readonly number[]): NodeInfo => {
    let at = 0;
    let equals = 1;
    for (let i = 1; i < nodes.length; i++) {
      const [score, top] = [scores[i] ?? 0, scores[at] ?? 0];
      if (score > top) [at, equals] = [i, 1];
      else if (score === top && env.random.int(++equals) === 0) at = i;
    }
    return nodes[at] as NodeInfo;
  };

  const bind = async (framework: Framework, state: CycleState, queued: QueuedPod, nodeName: string): Promise<void> => {
    const began = env.clock.monotonic();
    const status = await framework.bind(state, queued.info, nodeName, stopping.signal);
    if (!status) {
      queue.done(queued.info.key);
      metrics.scheduled(framework.schedulerName, (env.clock.monotonic() - queued.enteredMs) / 1000, queued.attempts);
      metrics.bound((env.clock.monotonic() - began) / 1000);
      options.bound(queued.info, nodeName);
      return;
    }
    framework.unreserve(state, queued.info, nodeName);
    cache.forget(queued.info.uid);
    if (!options.isPending(queued.info)) {
      queue.done(queued.info.key);
      return;
    }
    metrics.failed(framework.schedulerName, 'error');
    env.log.warn('binding failed', { pod: queued.info.key, node: nodeName, reasons: status.reasons });
    options.refused(queued.info, 'SchedulerError', status.reasons.join(', '), undefined);
    queue.retry(queued);
  };

  const refuse = async (framework: Framework, state: CycleState, queued: QueuedPod, fitError: FitError): Promise<void> => {
    const post = await framework.postFilter(state, queued.info, cache, fitError.statuses);
    const message = fitErrorMessage({ ...fitError, ...(post?.message ? { postFilterMessage: post.message } : {}) });
    const refusedBy = new Set([...fitError.statuses.values()].flatMap((status) => status.plugin ?? []));
    metrics.failed(framework.schedulerName, 'unschedulable');
    if (post?.nominatedNode === '') cache.nominated.delete(queued.info.uid);
    if (post?.retry) queue.retry(queued);
    else queue.refuse(queued, refusedBy);
    options.refused(queued.info, 'Unschedulable', message, post?.nominatedNode);
  };

  const track = (work: Promise<void>): void => {
    binding.add(work);
    void work.catch((error: unknown) => env.log.error('scheduling failed', { error })).finally(() => binding.delete(work));
  };

  const scheduleOne = (queued: QueuedPod): void => {
    const pod = queued.info;
    const framework = options.framework(pod.pod.spec?.schedulerName || 'default-scheduler');
    if (!framework || !options.isPending(pod) || cache.isPlaced(pod.uid)) {
      queue.done(pod.key);
      return;
    }
    const began = env.clock.monotonic();
    const state: CycleState = new Map();
    const outcome = schedule(framework, state, pod);
    metrics.algorithm((env.clock.monotonic() - began) / 1000);
    if ('fitError' in outcome) {
      track(refuse(framework, state, queued, outcome.fitError));
      return;
    }
    const reserved = framework.reserve(state, pod, outcome.nodeName);
    if (reserved) {
      framework.unreserve(state, pod, outcome.nodeName);
      track(refuse(framework, state, queued, { nodeCount: cache.nodes.length, statuses: new Map([[outcome.nodeName, reserved]]) }));
      return;
    }
    cache.assume(pod, outcome.nodeName);
    track(bind(framework, state, queued, outcome.nodeName));
  };

  const slice = (): void => {
    wake = undefined;
    const until = env.clock.monotonic() + sliceMs;
    for (let queued = running ? queue.pop() : undefined; queued; queued = queue.pop()) {
      scheduleOne(queued);
      if (env.clock.monotonic() >= until) {
        wake = env.clock.after(0, slice);
        return;
      }
    }
  };

  return {
    schedule,
    start() {
      running = true;
      stopping = new AbortController();
      queue.onReady(() => {
        if (running) wake ??= env.clock.after(0, slice);
      });
      wake ??= env.clock.after(0, slice);
    },
    async stop() {
      running = false;
      stopping.abort(new Error('the scheduler stops'));
      wake?.cancel();
      wake = undefined;
      await Promise.allSettled([...binding]);
    },
  };
}

/** A PreFilter's refusal stands for every node. */
function preFilterError(all: readonly NodeInfo[], status: Status): FitError {
  return { nodeCount: all.length, statuses: new Map(all.map((node) => [node.name, status])), preFilterMessage: status.reasons.join(', ') };
}
