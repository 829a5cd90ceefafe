interface Entry {
  backOffMs: number;
  updatedMs: number;
}

/**
 * Exponential back-off by key: 10 s doubling to 5 min, forgotten when a key has been quiet for twice the maximum.
 * Times are the wall clock's, as container statuses carry them.
 */
export class BackOff {
  /** Most pods never have any. */
  private entries: Map<string, Entry> | undefined;
  private readonly initialMs: number;
  private readonly maxMs: number;

  constructor(options: { initialMs?: number; maxMs?: number } = {}) {
    this.initialMs = Math.min(options.initialMs ?? 10_000, options.maxMs ?? Infinity);
    this.maxMs = options.maxMs ?? 300_000;
  }

  /** Milliseconds still to wait, counted from `sinceMs`; 0 when there is nothing to wait for. */
  remainingMs(key: string, sinceMs: number, nowMs: number): number {
    const entry = this.entries?.get(key);
    if (!entry || this.isStale(entry, nowMs)) return 0;
    return Math.max(0, sinceMs + entry.backOffMs - nowMs);
  }

  /** The current delay of the key. */
  delayMs(key: string): number {
    return this.entries?.get(key)?.backOffMs ?? 0;
  }

  /** Records one more failure. */
  next(key: string, nowMs: number): void {
    this.entries ??= new Map();
    const entry = this.entries.get(key);
    const fresh = !entry || this.isStale(entry, nowMs);
    this.entries.set(key, { backOffMs: fresh ? this.initialMs : Math.min(this.maxMs, entry.backOffMs * 2), updatedMs: nowMs });
  }

  reset(key: string): void {
    this.entries?.delete(key);
  }

  private isStale(entry: Entry, nowMs: number): boolean {
    return nowMs - entry.updatedMs > 2 * this.maxMs;
  }
}

/** Go's way to write a duration: `10s`, `1m20s`, `2m40s`, `5m0s`. */
export function goDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1000;
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}
