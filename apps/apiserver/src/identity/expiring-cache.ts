import type { Clock } from '@orrery/runtime';

/** Values that are forgotten after a time, and the oldest when there are too many. */
export class ExpiringCache<T> {
  private readonly entries = new Map<string, { readonly value: T; readonly untilMs: number }>();
  private readonly clock: Clock;
  private readonly size: number;

  constructor(clock: Clock, size: number) {
    this.clock = clock;
    this.size = size;
  }

  get(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    if (entry.untilMs > this.clock.monotonic()) return entry.value;
    this.entries.delete(key);
    return undefined;
  }

  set(key: string, value: T, ttlMs: number): void {
    if (ttlMs <= 0) return;
    this.entries.delete(key);
    this.entries.set(key, { value, untilMs: this.clock.monotonic() + ttlMs });
    if (this.entries.size <= this.size) return;
    const [oldest] = this.entries.keys();
    if (oldest !== undefined) this.entries.delete(oldest);
  }
}
