import type { Clock, Timer } from '@orrery/runtime';

/** One write. It never rejects: it tells of its failure itself. */
export interface EventJob {
  run(): Promise<void>;
}

/** Lets few events be written at a time and in a second, so that a flood of them never slows down the work that they tell of. */
export interface EventQueue {
  /** Runs the job when it is its turn, first come first served. False, and it is never run, when too many wait, as upstream's recorders drop events. */
  add(job: EventJob): boolean;
  /** So many wait that `add` would not take another. */
  isFull(): boolean;
  /** Writes as fast as it goes until the function that it returns is called. */
  hurry(): () => void;
}

export interface EventPace {
  /** Writes under way at once. Upstream's recorder has one; ours two. */
  readonly inFlight?: number;
  /** Writes a second in the long run: upstream's QPS of the client that writes events. */
  readonly perSecond?: number;
  /** Writes at once after a quiet time. */
  readonly burst?: number;
  /** Jobs that wait; upstream's broadcaster holds a thousand. */
  readonly maxWaiting?: number;
  /** Writes a second while the process has no time for more: its timers are late. Without it that makes no difference. */
  readonly perSecondWhenBusy?: number;
}

/** A process whose timers are later than this has more to do than it can. */
const lateMs = 10;

/** Of kubelet and scheduler. */
export const defaultEventPace = { inFlight: 2, perSecond: 50, burst: 100, maxWaiting: 1000 } as const satisfies EventPace;
/**
 * Of many kubelets in one process, which upstream would let write 50 a second each: their pace is that of five nodes, but what waits is
 * what twenty may have waiting. They give way to the pods that they tell of: events of a large rollout come late and are there in the end.
 */
export const sharedEventPace: EventPace = { perSecond: 250, burst: 250, maxWaiting: 20_000, perSecondWhenBusy: 25 };
/** Of each controller: `--kube-api-qps` and `--kube-api-burst` of upstream's manager. */
export const controllerEventPace: EventPace = { perSecond: 20, burst: 30 };

/** Recorders of one process may share a queue. */
export function createEventQueue(clock: Pick<Clock, 'monotonic' | 'after'>, pace: EventPace = {}): EventQueue {
  const { inFlight, perSecond, burst, maxWaiting, perSecondWhenBusy = perSecond } = { ...defaultEventPace, ...pace };
  let rate: number = perSecond;
  let waiting: EventJob[] = [];
  let next = 0;
  let running = 0;
  let hurried = 0;
  let [tokens, filledMs] = [burst as number, clock.monotonic()];
  let timer: Timer | undefined;
  const take = (): EventJob => {
    const job = waiting[next] as EventJob;
    next += 1;
    if (next === waiting.length) [waiting, next] = [[], 0];
    else if (next === 1024) [waiting, next] = [waiting.slice(next), 0];
    return job;
  };
  const pumpIn = (ms: number): Timer => {
    const dueMs = clock.monotonic() + ms;
    return clock.after(ms, () => {
      timer = undefined;
      // The time that it was late is counted at the slower rate as well.
      rate = clock.monotonic() - dueMs > lateMs ? perSecondWhenBusy : perSecond;
      pump();
    });
  };
  /** Begins what may begin now. */
  const pump = (): void => {
    // Whoever waits for the clock waits for it alone.
    while (timer === undefined && running < inFlight && waiting.length > 0) {
      const nowMs = clock.monotonic();
      tokens = Math.min(burst, tokens + ((nowMs - filledMs) / 1000) * rate);
      filledMs = nowMs;
      if (hurried === 0 && tokens < 1) {
        timer = pumpIn(Math.ceil(((1 - tokens) / rate) * 1000));
        return;
      }
      tokens = Math.max(0, tokens - 1);
      running += 1;
      void take().run().finally(over);
    }
  };
  const over = (): void => {
    running -= 1;
    pump();
  };
  const isFull = (): boolean => waiting.length - next >= maxWaiting;
  return {
    isFull,
    add(job) {
      if (isFull()) return false;
      waiting.push(job);
      pump();
      return true;
    },
    hurry() {
      hurried += 1;
      timer?.cancel();
      timer = undefined;
      pump();
      return () => void (hurried -= 1);
    },
  };
}
