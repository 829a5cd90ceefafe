import type { Disturbance } from './report.ts';

/** What is looked at again and again: the name says what should be, `trouble` why it is not (undefined: it is). */
export interface Sample {
  readonly what: string;
  readonly trouble: string | undefined;
}

/** Makes stretches of trouble out of samples. */
export class RecoveryWatch {
  private readonly open = new Map<string, Disturbance>();
  private readonly done: Disturbance[] = [];
  private readonly limit: number;
  private lastMs = Number.NEGATIVE_INFINITY;
  private wellSince: number | undefined;

  /** Keeps the latest `limit` disturbances. */
  constructor(limit = 1000) {
    this.limit = limit;
  }

  /** Takes what was seen at a time. Times do not go back. */
  observe(atMs: number, samples: readonly Sample[]): void {
    for (const { what, trouble } of samples) {
      const known = this.open.get(what);
      if (trouble !== undefined && !known) this.open.set(what, { what, detail: trouble, fromMs: atMs });
      if (trouble === undefined && known) {
        this.open.delete(what);
        this.done.push({ ...known, untilMs: atMs });
        if (this.done.length > this.limit) this.done.shift();
      }
    }
    if (this.open.size) this.wellSince = undefined;
    else this.wellSince ??= atMs;
    this.lastMs = atMs;
  }

  /** When all was well again for good, as far as is known, of a fault that ended at `endedMs`; undefined: it is not, or was not looked at since. */
  recoveredSince(endedMs: number): number | undefined {
    if (this.lastMs < endedMs || this.wellSince === undefined) return undefined;
    return Math.max(endedMs, this.wellSince);
  }

  /** All stretches of trouble, oldest first, those that last at the end. */
  disturbances(): Disturbance[] {
    return [...this.done, ...this.open.values()].sort((a, b) => a.fromMs - b.fromMs);
  }
}
