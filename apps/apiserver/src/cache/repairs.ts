import type { Clock, Timer } from '@orrery/runtime';

/** When something that cannot be read is tried again, doubling: keys may come back, or the value may have been deleted. */
const firstDelayMs = 250;
const maxDelayMs = 30_000;

/** Tries again, after growing pauses, until told that all is well. One try at a time for each subject. */
export class Repairs<T extends object> {
  private readonly clock: Clock;
  private readonly run: (subject: T) => void;
  private readonly timers = new Map<T, Timer>();
  private readonly delays = new WeakMap<T, number>();
  private stopped = false;

  constructor(clock: Clock, run: (subject: T) => void) {
    this.clock = clock;
    this.run = run;
  }

  later(subject: T): void {
    if (this.stopped || this.timers.has(subject)) return;
    const delay = this.delays.get(subject) ?? firstDelayMs;
    this.delays.set(subject, Math.min(delay * 2, maxDelayMs));
    const fire = (): void => {
      this.timers.delete(subject);
      this.run(subject);
    };
    this.timers.set(subject, this.clock.after(delay, fire));
  }

  settled(subject: T): void {
    this.delays.delete(subject);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
  }
}
