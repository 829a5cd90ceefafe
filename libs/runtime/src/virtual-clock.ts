import { type Clock, type Timer, sleepWith } from './clock.ts';

interface Entry {
  at: number;
  order: number;
  fn: () => void;
  periodMs?: number;
  cancelled: boolean;
}

/** Lets every promise reaction that is ready run. */
export type Drain = () => Promise<void>;

async function drainMicrotasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/**
 * A clock that stands still until told to move. `advance` fires due timers in order of time, then of creation, and
 * lets promises settle between them. Pass a `drain` that awaits real I/O when the code under test does any.
 */
export class VirtualClock implements Clock {
  private readonly entries: Entry[] = [];
  private nowMs: number;
  private readonly startMs: number;
  private nextOrder = 0;
  private readonly drain: Drain;

  constructor(options: { startMs?: number; drain?: Drain } = {}) {
    this.startMs = options.startMs ?? Date.UTC(2026, 0, 1);
    this.nowMs = this.startMs;
    this.drain = options.drain ?? drainMicrotasks;
  }

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs - this.startMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    return this.add({ at: this.nowMs + Math.max(0, delayMs), order: this.nextOrder++, fn, cancelled: false });
  }

  every(periodMs: number, fn: () => void): Timer {
    return this.add({ at: this.nowMs + periodMs, order: this.nextOrder++, fn, periodMs, cancelled: false });
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, delayMs, signal);
  }

  /** Moves time forward by `ms`, firing everything that falls due on the way. */
  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    await this.drain();
    for (let next = this.take(until); next; next = this.take(until)) {
      this.nowMs = Math.max(this.nowMs, next.at);
      next.fn();
      if (next.periodMs !== undefined && !next.cancelled) this.insert(Object.assign(next, { at: next.at + next.periodMs }));
      await this.drain();
    }
    this.nowMs = until;
  }

  /** Moves time ahead at once, as a clock that is set: what would have fallen due meanwhile is late, and fires with the next advance. */
  jump(ms: number): void {
    this.nowMs += Math.max(0, ms);
  }

  /** Advances in steps until `condition` holds; throws if it does not within `withinMs` of virtual time. */
  async until(condition: () => boolean | Promise<boolean>, withinMs = 600_000, stepMs = 100): Promise<void> {
    const end = this.nowMs + withinMs;
    while (!(await condition())) {
      if (this.nowMs >= end) throw new Error(`condition not met within ${withinMs} ms of virtual time`);
      await this.advance(stepMs);
    }
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.entries.length;
  }

  private add(entry: Entry): Timer {
    this.insert(entry);
    return {
      cancel: () => {
        entry.cancelled = true;
        const i = this.entries.indexOf(entry);
        if (i >= 0) this.entries.splice(i, 1);
      },
    };
  }

  private insert(entry: Entry): void {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      const other = this.entries[mid] as Entry;
      if (other.at < entry.at || (other.at === entry.at && other.order < entry.order)) low = mid + 1;
      else high = mid;
    }
    this.entries.splice(low, 0, entry);
  }

  private take(until: number): Entry | undefined {
    const first = this.entries[0];
    return first && first.at <= until ? this.entries.shift() : undefined;
  }
}
