import type { Wal } from './wal.ts';

/** Of a process that is the store's alone, so that it may wait for the disk when it has nothing better to do. */
export interface Alone {
  /** Whether it is so at this moment; without: always. */
  isNow?(): boolean;
  /** Calls `run` when everything that has already come in has been looked at. */
  atEndOfTurn(run: () => void): void;
}

/** A disk that is slower than this on average, in milliseconds, is not waited for. */
const quickMs = 2;
/** Commits after which a slow disk is tried again. */
const tryAgainAfter = 1000;

/**
 * Appends to a log while the whole process waits, which on a good disk costs less than the detour over another thread. It learns
 * whether the disk is good: where waits are long, appends go their usual way.
 */
export class QuickAppend {
  private readonly wal: Wal;
  private readonly now: () => number;
  /** Average time that the process waited, and how many appends it has not. */
  private waitMs = 0;
  private unwaited = 0;

  /** `now` counts milliseconds and never goes back. */
  constructor(wal: Wal, now: () => number) {
    this.wal = wal;
    this.now = now;
  }

  /** As `Wal.append`; undefined: it is done already. */
  append(frame: Uint8Array, firstIndex: number): Promise<void> | undefined {
    const { wal } = this;
    if (this.waitMs > quickMs && ++this.unwaited < tryAgainAfter) return wal.append(frame, firstIndex);
    this.unwaited = 0;
    const began = this.now();
    const later = wal.appendNow(frame, firstIndex);
    if (later) return later;
    const more = this.now() - began - this.waitMs;
    // Sooner convinced that a disk is good again than that it is bad: single waits are long for other reasons.
    this.waitMs += more / (more < 0 ? 2 : 8);
    return undefined;
  }
}
