import { type Clock, type Timer, sleepWith } from './clock.ts';

/** One timer of an adjustable clock; what its owner holds is the same object, as thousands wait at a time. */
class Entry implements Timer {
  /** When it is due, by the clock's monotonic time. */
  due: number;
  readonly order: number;
  readonly fn: () => void;
  readonly periodMs: number | undefined;
  private readonly owner: Set<Entry>;
  /** While time runs as fast as it does, the clock below keeps the timer. */
  below: Timer | undefined;
  cancelled = false;

  constructor(owner: Set<Entry>, { due, order, fn, periodMs }: { due: number; order: number; fn: () => void; periodMs: number | undefined }) {
    this.owner = owner;
    this.due = due;
    this.order = order;
    this.fn = fn;
    this.periodMs = periodMs;
    this.below = undefined;
    owner.add(this);
  }

  cancel(): void {
    this.cancelled = true;
    this.below?.cancel();
    this.owner.delete(this);
  }
}

export interface ClockReading {
  /** Wall-clock time, milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** How far it is ahead of the clock below. */
  readonly aheadMs: number;
  /** Seconds that pass in one second: 1 as always, 0 while time stands still. */
  readonly speed: number;
}

export interface Advance {
  /** Resolves when what was begun so far has come to rest; called again and again on the way. */
  readonly settle: () => Promise<void>;
  /** Milliseconds of the way that are done. */
  readonly onProgress?: (doneMs: number) => void;
  readonly signal?: AbortSignal;
}

/** Throws RangeError for what is no span of time to advance by. */
export function checkAdvance(ms: number): void {
  if (!(ms >= 0 && Number.isFinite(ms))) throw new RangeError(`time cannot advance by ${ms} ms`);
}

/** Timers that fall due within so little of each other fire without a pause in between: a compromise between truth and haste. */
const grainMs = 250;
/** Of timers that set themselves again at once, so many fire before real work gets its turn. */
const burst = 200;

/**
 * A clock whose time can stand still, run faster or jump ahead while components run on it. Untouched it is the clock below: timers are its
 * timers, and nothing is lost. Time never goes back.
 */
export class AdjustableClock implements Clock {
  private readonly below: Clock;
  /** By how much this clock was ahead at `anchorMs` of the clock below. */
  private lead: number;
  private anchorMs: number;
  private factor = 1;
  private order = 0;
  private readonly entries = new Set<Entry>();
  /** In order of time, while the clock below cannot keep the timers. */
  private queue: Entry[] | undefined;
  private pump: Timer | undefined;
  private advancing = false;

  /** `aheadMs`: how far to start ahead of the clock below. */
  constructor(below: Clock, options: { readonly aheadMs?: number } = {}) {
    this.below = below;
    this.lead = options.aheadMs ?? 0;
    this.anchorMs = below.monotonic();
  }

  private get aheadMs(): number {
    return this.factor === 1 ? this.lead : this.lead + (this.below.monotonic() - this.anchorMs) * (this.factor - 1);
  }

  // As Node's own, they may be passed on by themselves.
  readonly now = (): number => this.below.now() + this.aheadMs;
  readonly monotonic = (): number => this.below.monotonic() + this.aheadMs;
  readonly after = (delayMs: number, fn: () => void): Timer => this.add(fn, Math.max(0, delayMs));
  readonly every = (periodMs: number, fn: () => void): Timer => this.add(fn, periodMs, periodMs);
  readonly sleep = (delayMs: number, signal?: AbortSignal): Promise<void> => sleepWith(this, delayMs, signal);

  /** Whether an `advance` is under way: time stands still but for what falls due. */
  get isAdvancing(): boolean {
    return this.advancing;
  }

  /** Milliseconds until something falls due, Infinity for nothing; while time stands still or is not that of the clock below. */
  untilNext(): number {
    const next = this.peek();
    return next ? Math.max(0, next.due - this.monotonic()) : Number.POSITIVE_INFINITY;
  }

  read(): ClockReading {
    return { nowMs: this.now(), aheadMs: this.aheadMs, speed: this.factor };
  }

  /** Lets time pass `factor` times as fast; 0 stops it. Throws RangeError for what is no speed, Error while time is being advanced. */
  setSpeed(factor: number): void {
    if (!(factor >= 0 && factor <= 100_000)) throw new RangeError(`${factor} is no speed: it is a number from 0 (time stands still) to 100000`);
    if (this.advancing) throw new Error('time is being advanced');
    this.change(factor);
  }

  /**
   * Moves time ahead by `ms`: what falls due on the way fires in its order, at its time, and gets to do its work (`settle`). Afterwards time passes
   * as fast as before. An aborted advance ends where it is. Throws Error while another one is under way.
   */
  async advance(ms: number, { settle, onProgress, signal }: Advance): Promise<void> {
    checkAdvance(ms);
    if (this.advancing) throw new Error('time is being advanced');
    const before = this.factor;
    this.advancing = true;
    this.change(0);
    const from = this.monotonic();
    const until = from + ms;
    try {
      let settledAt = from;
      let fired = 0;
      await settle();
      for (let next = this.peek(); next && next.due <= until && !signal?.aborted; next = this.peek()) {
        if (next.due - settledAt >= grainMs || fired >= burst) {
          await settle();
          [settledAt, fired] = [Math.max(settledAt, this.peek()?.due ?? until), 0];
          onProgress?.(Math.min(ms, this.monotonic() - from));
          continue;
        }
        this.lead += Math.max(0, next.due - this.monotonic());
        this.fire(next);
        fired++;
      }
      if (!signal?.aborted) this.lead += Math.max(0, until - this.monotonic());
      await settle();
    } finally {
      this.advancing = false;
      this.change(before);
    }
  }

  /** Moves time ahead by `ms` at once, as a clock that is set: what would have fallen due meanwhile is late. Throws Error while time is being advanced. */
  jump(ms: number): void {
    if (!(ms >= 0 && Number.isFinite(ms))) throw new RangeError(`time cannot jump by ${ms} ms`);
    if (this.advancing) throw new Error('time is being advanced');
    const before = this.factor;
    this.change(0);
    this.lead += ms;
    this.change(before);
  }

  private change(factor: number): void {
    this.lead = this.aheadMs;
    this.anchorMs = this.below.monotonic();
    this.factor = factor;
    if (factor === 1) this.giveBelow();
    else {
      this.takeOver();
      this.schedule();
    }
  }

  /** The timers become this clock's own. */
  private takeOver(): void {
    if (this.queue) return;
    for (const entry of this.entries) {
      entry.below?.cancel();
      entry.below = undefined;
    }
    this.queue = [...this.entries].sort((a, b) => a.due - b.due || a.order - b.order);
  }

  private giveBelow(): void {
    const { queue } = this;
    if (!queue) return;
    this.pump?.cancel();
    this.pump = undefined;
    this.queue = undefined;
    // In order: of those that are late, the one that was due first comes first.
    for (const entry of queue) if (!entry.cancelled) this.keepBelow(entry);
  }

  private add(fn: () => void, delayMs: number, periodMs?: number): Timer {
    const entry = new Entry(this.entries, { due: this.monotonic() + delayMs, order: this.order++, fn, periodMs });
    if (this.queue) this.insert(entry);
    else this.keepBelow(entry, delayMs);
    return entry;
  }

  private keepBelow(entry: Entry, delayMs = Math.max(0, entry.due - this.monotonic())): void {
    entry.below = this.below.after(delayMs, () => this.fire(entry));
  }

  private insert(entry: Entry): void {
    const queue = this.queue as Entry[];
    let low = 0;
    let high = queue.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      const other = queue[mid] as Entry;
      if (other.due < entry.due || (other.due === entry.due && other.order < entry.order)) low = mid + 1;
      else high = mid;
    }
    queue.splice(low, 0, entry);
    if (low === 0) this.schedule();
  }

  /** What is due next; what was cancelled or has fired is not. */
  private peek(): Entry | undefined {
    const { queue } = this;
    if (!queue) return undefined;
    while (queue[0]?.cancelled) queue.shift();
    return queue[0];
  }

  private fire(entry: Entry): void {
    if (entry.cancelled) return;
    if (this.queue) this.queue.shift();
    if (entry.periodMs === undefined) this.entries.delete(entry);
    else {
      entry.due += entry.periodMs;
      if (this.queue) this.insert(entry);
      else this.keepBelow(entry);
    }
    entry.fn();
  }

  /** Wakes when the next timer falls due at the speed at which time passes; what is due now fires even while it stands still. */
  private schedule(): void {
    this.pump?.cancel();
    this.pump = undefined;
    const next = this.advancing ? undefined : this.peek();
    if (!next) return;
    const left = Math.max(0, next.due - this.monotonic());
    if (left === 0 || this.factor > 0) this.pump = this.below.after(left === 0 ? 0 : left / this.factor, () => this.run());
  }

  private run(): void {
    const now = this.monotonic();
    for (let next = this.peek(); next && next.due <= now && this.queue; next = this.peek()) this.fire(next);
    if (this.queue) this.schedule();
  }
}
