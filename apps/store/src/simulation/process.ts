import { type Clock, type Timer, sleepWith } from '@orrery/runtime';

/**
 * One life of a program: everything that reaches it from outside (timers, its disk, the network) goes through `enter`. A
 * paused one gets it later, in order; one that was killed never does, so whatever it was doing ends where it stood.
 */
export class Process {
  readonly clock: Clock;
  private state: 'running' | 'paused' | 'dead' = 'running';
  private held: (() => void)[] = [];
  private heldTimers: (() => void)[] = [];
  private readonly time: Clock;
  private readonly timers = new Set<Timer>();
  /** How far its wall clock is from the truth, milliseconds. */
  wallOffsetMs = 0;

  constructor(time: Clock) {
    this.time = time;
    this.clock = this.clockOver(time);
  }

  get isAlive(): boolean {
    return this.state !== 'dead';
  }

  get isPaused(): boolean {
    return this.state === 'paused';
  }

  enter(work: () => void): void {
    if (this.state === 'running') work();
    else if (this.state === 'paused') this.held.push(work);
  }

  private enterByTimer(work: () => void): void {
    if (this.state === 'running') work();
    else if (this.state === 'paused') this.heldTimers.push(work);
  }

  pause(): void {
    if (this.state === 'running') this.state = 'paused';
  }

  /** As the platform's loop does: first the timers that fell due, then what came in, one after the other. */
  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'running';
    for (const work of [...this.heldTimers.splice(0), ...this.held.splice(0)]) this.time.after(0, () => this.enter(work));
  }

  kill(): void {
    this.state = 'dead';
    this.held = [];
    this.heldTimers = [];
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
  }

  private clockOver(time: Clock): Clock {
    const track = (timer: Timer): Timer => {
      this.timers.add(timer);
      return { cancel: () => (this.timers.delete(timer), timer.cancel()) };
    };
    const after = (delayMs: number, fn: () => void): Timer => {
      if (!this.isAlive) return { cancel: () => undefined };
      let cancelled = false;
      const timer = track(time.after(delayMs, () => {
        this.timers.delete(timer);
        this.enterByTimer(() => void (cancelled || fn()));
      }));
      return { cancel: () => ((cancelled = true), timer.cancel()) };
    };
    const every = (periodMs: number, fn: () => void): Timer => {
      if (!this.isAlive) return { cancel: () => undefined };
      let cancelled = false;
      let isHeld = false;
      // What fell due while it was paused comes once, as the platform's intervals do.
      const once = (): void => ((isHeld = false), void (cancelled || fn()));
      const timer = track(time.every(periodMs, () => {
        if (isHeld) return;
        isHeld = this.isPaused;
        this.enterByTimer(once);
      }));
      return { cancel: () => ((cancelled = true), timer.cancel()) };
    };
    return {
      now: () => time.now() + this.wallOffsetMs,
      monotonic: () => time.monotonic(),
      after,
      every,
      // Giving way to other work takes no virtual time.
      sleep: (ms, signal) => (ms === 0 && this.isAlive ? Promise.resolve() : sleepWith({ after }, ms, signal)),
    };
  }
}
