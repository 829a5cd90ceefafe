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

  /** Takes what was seen at a time. Times do not go back. With `isAll` these are all there is to look at: what is missing is gone, and its trouble with it. */
  observe(atMs: number, samples: readonly Sample[], isAll = false): void {
    for (const { what, trouble } of samples) {
      if (trouble !== undefined && !this.open.has(what)) this.open.set(what, { what, detail: trouble, fromMs: atMs });
      if (trouble === undefined) this.close(what, atMs);
    }
    if (isAll) for (const what of this.open.keys()) if (!samples.some((one) => one.what === what)) this.close(what, atMs);
    if (this.open.size) this.wellSince = undefined;
    else this.wellSince ??= atMs;
    this.lastMs = atMs;
  }

  private close(what: string, atMs: number): void {
    const known = this.open.get(what);
    if (!known) return;
    this.open.delete(what);
    this.done.push({ ...known, untilMs: atMs });
    if (this.done.length > this.limit) this.done.shift();
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
