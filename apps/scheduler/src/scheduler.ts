import type { Env, Timer } from '@orrery/runtime';
import type { PodInfo } from './cache/pod-info.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { createCycle } from './cycle.ts';
import type { Extender } from './extenders/extender.ts';
import type { Framework } from './framework/framework.ts';
import { type FitError, type Status, fitErrorMessage, refusingPlugins, statusList } from './framework/status.ts';
import type { CycleState, QueuedPod } from './framework/types.ts';
import type { WaitingPods } from './framework/waiting-pods.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

export interface SchedulerOptions {
  readonly env: Env;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly framework: (schedulerName: string) => Framework | undefined;
  readonly extenders: readonly Extender[];
  readonly metrics: SchedulerMetrics;
  readonly waitingPods: WaitingPods;
  /** The pod has a node. */
  bound(pod: PodInfo, nodeName: string): void;
  /** The pod has none; the message is for its condition and event. */
  refused(pod: PodInfo, reason: 'Unschedulable' | 'SchedulerError', message: string, nominatedNode: string | undefined): void;
  /** Still wanted: exists, not bound, not being deleted. */
  isPending(pod: PodInfo): boolean;
}

/** How long the loop runs before it lets I/O happen. */
const sliceMs = 8;

/** Takes pods off the queue one at a time, finds each a node on the cache, and binds them in the background. */
export interface Scheduler {
  /** How many pods are being bound now. */
  binding(): number;
  start(): void;
  stop(): Promise<void>;
}

/** One try of one pod. */
interface Try {
  readonly framework: Framework;
  readonly state: CycleState;
  readonly queued: QueuedPod;
  readonly beganMs: number;
}

/** A refusal after a node was chosen, in the form of a FitError about that node alone. */
function refusedOn(nodeName: string, status: Status): FitError {
  const statuses = statusList();
  statuses.add({ name: nodeName }, status);
  return { nodeCount: 1, statuses };
}

const isRefusal = ({ code }: Status): boolean => code === 'Unschedulable' || code === 'UnschedulableAndUnresolvable';

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { env, cache, queue, metrics } = options;
  const cycle = createCycle(options);
  /** Tries that go on in the background, and who waits for the last of them. */
  let underWay = 0;
  let binding = 0;
  const idleWaiters: (() => void)[] = [];
  let running = false;
  /** An extender is being asked; the next pod waits. */
  let asking = false;
  let stopping = new AbortController();
  let wake: Timer | undefined;

  const elapsed = (sinceMs: number): number => (env.clock.monotonic() - sinceMs) / 1000;

  const fail = ({ framework, queued, beganMs }: Try, message: string): void => {
    if (!options.isPending(queued.info)) {
      queue.done(queued.info.key);
      return;
    }
    metrics.attempt(framework.schedulerName, 'error', elapsed(beganMs));
    env.log.warn('scheduling failed', { pod: queued.info.key, message });
    cache.nominated.delete(queued.info.uid);
    options.refused(queued.info, 'SchedulerError', message, queued.info.pod.status?.nominatedNodeName ? '' : undefined);
    queue.retry(queued);
  };

  const refuse = async (one: Try, fitError: FitError, mayPreempt: boolean): Promise<void> => {
    const { framework, state, queued, beganMs } = one;
    const began = metrics.now();
    const post = mayPreempt ? await framework.postFilter(state, queued.info, cache, fitError.statuses) : undefined;
    if (mayPreempt) metrics.whole(framework.schedulerName, 'PostFilter', began);
    const message = fitErrorMessage({ ...fitError, ...(post?.message ? { postFilterMessage: post.message } : {}) });
    metrics.attempt(framework.schedulerName, 'unschedulable', elapsed(beganMs));
    if (post?.nominatedNode === '') cache.nominated.delete(queued.info.uid);
    if (post?.retry) queue.retry(queued);
    else queue.refuse(queued, refusingPlugins(fitError));
    options.refused(queued.info, 'Unschedulable', message, post?.nominatedNode);
  };

  /** Takes back what was reserved and assumed: the room is free for others again. */
  const undo = ({ framework, state, queued }: Try, nodeName: string): void => {
    framework.unreserve(state, queued.info, nodeName);
    cache.forget(queued.info.uid);
    queue.onEvent({ resource: 'AssignedPod', action: 'Delete', object: queued.info.pod });
  };

  const bind = async (one: Try, nodeName: string, held: Promise<Status | undefined> | undefined): Promise<void> => {
    const { framework, state, queued, beganMs } = one;
    const pod = queued.info;
    const waitBegan = env.clock.monotonic();
    const rejected = held && (await held);
    if (held) metrics.permitWaited(rejected ? rejected.code : 'Success', elapsed(waitBegan));
    const extender = options.extenders.length ? options.extenders.find((other) => other.bind && other.interested(pod)) : undefined;
    const began = env.clock.monotonic();
    const status = rejected ?? (await framework.bind(state, pod, nodeName, { signal: stopping.signal, extender: extender?.bind }));
    if (!status) {
      queue.done(pod.key);
      metrics.attempt(framework.schedulerName, 'scheduled', elapsed(beganMs));
      metrics.scheduled(elapsed(queued.firstMs), queued.attempts, queued.flushed === true);
      metrics.extensionPoint(framework.schedulerName, 'Bind', elapsed(began), undefined);
      options.bound(pod, nodeName);
      return;
    }
    undo(one, nodeName);
    if (!options.isPending(pod)) queue.done(pod.key);
    else if (isRefusal(status)) await refuse(one, refusedOn(nodeName, status), false);
    else fail(one, status.reasons.join(', '));
  };

  const ended = (): void => {
    underWay -= 1;
    if (underWay === 0) for (const resolve of idleWaiters.splice(0)) resolve();
  };
  const broke = (error: unknown): void => {
    env.log.error('scheduling failed', { error });
    ended();
  };
  const track = (work: Promise<void>): void => {
    underWay += 1;
    void work.then(ended, broke);
  };

  const settle = (one: Try, outcome: Awaited<ReturnType<typeof cycle.schedule>>): void => {
    const { framework, state, queued, beganMs } = one;
    const pod = queued.info;
    metrics.algorithm(elapsed(beganMs));
    if ('error' in outcome) {
      fail(one, outcome.error);
      return;
    }
    if ('fitError' in outcome) {
      track(refuse(one, outcome.fitError, true));
      return;
    }
    const { nodeName } = outcome;
    const reserveBegan = metrics.now();
    const reserved = framework.reserve(state, pod, nodeName);
    metrics.whole(framework.schedulerName, 'Reserve', reserveBegan, reserved);
    if (reserved) {
      framework.unreserve(state, pod, nodeName);
      if (isRefusal(reserved)) track(refuse(one, refusedOn(nodeName, reserved), false));
      else fail(one, `running Reserve plugin ${JSON.stringify(reserved.plugin)}: ${reserved.reasons.join(', ')}`);
      return;
    }
    cache.assume(pod, nodeName);
    const permitBegan = metrics.now();
    const { refusal, held } = framework.permit(state, pod, nodeName);
    metrics.whole(framework.schedulerName, 'Permit', permitBegan, refusal);
    if (refusal) {
      undo(one, nodeName);
      if (isRefusal(refusal)) track(refuse(one, refusedOn(nodeName, refusal), false));
      else fail(one, refusal.reasons.join(', '));
      return;
    }
    binding += 1;
    track(bind(one, nodeName, held).finally(() => (binding -= 1)));
  };

  /** A promise when an extender is asked. */
  const scheduleOne = (queued: QueuedPod): Promise<void> | void => {
    const pod = queued.info;
    const framework = options.framework(pod.pod.spec?.schedulerName || 'default-scheduler');
    if (!framework || !options.isPending(pod) || cache.isPlaced(pod.uid)) {
      queue.done(pod.key);
      return;
    }
    const one: Try = { framework, state: new Map(), queued, beganMs: env.clock.monotonic() };
    metrics.nextCycle();
    try {
      const outcome = cycle.schedule(framework, one.state, pod);
      if (!(outcome instanceof Promise)) return settle(one, outcome);
      return outcome.then((found) => settle(one, found)).catch((error: unknown) => fail(one, (error as Error).message));
    } catch (error) {
      env.log.error('a plugin failed', { pod: pod.key, error });
      fail(one, (error as Error).message);
    }
  };

  const slice = (): void => {
    wake = undefined;
    const until = env.clock.monotonic() + sliceMs;
    while (running && !asking) {
      const queued = queue.pop();
      if (!queued) return;
      const pending = scheduleOne(queued);
      if (pending) {
        asking = true;
        track(
          pending.finally(() => {
            asking = false;
            if (running) wake ??= env.clock.after(0, slice);
          }),
        );
      } else if (env.clock.monotonic() >= until) {
        wake = env.clock.after(0, slice);
        return;
      }
    }
  };

  return {
    binding: () => binding,
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
      for (const waiting of options.waitingPods.list()) waiting.reject('', 'the scheduler stops');
      wake?.cancel();
      wake = undefined;
      if (underWay > 0) await new Promise<void>((resolve) => idleWaiters.push(resolve));
    },
  };
}
