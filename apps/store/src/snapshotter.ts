import type { Env } from '@orrery/runtime';
import type { Member } from './member.ts';
import type { Storage } from './storage/storage.ts';

/** After a failed snapshot (a full disk, say), entries to wait before the next attempt. */
const retryEntries = 1000;

/**
 * Takes snapshots and shortens the log: after `snapshotCount` entries, provided that the log grew by as much as the
 * last snapshot has (so rewriting a large state stays a fraction of the work), and on demand.
 */
export class Snapshotter {
  private readonly env: Env;
  private readonly member: Member;
  private readonly storage: Storage;
  private readonly snapshotCount: number;
  private readonly mark: (index: number) => Promise<number>;
  private lastIndex: number;
  private running: Promise<void> | undefined;
  private demands: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** `mark` begins a new segment and returns the last number of the log that a snapshot taken then makes superfluous. */
  constructor(env: Env, options: { member: Member; storage: Storage; snapshotCount: number; coveredIndex?: number; mark?: (index: number) => Promise<number> }) {
    this.env = env;
    this.member = options.member;
    this.storage = options.storage;
    this.snapshotCount = options.snapshotCount;
    this.lastIndex = options.coveredIndex ?? options.storage.coveredIndex;
    this.mark = options.mark ?? (async (index) => (await options.storage.wal.cut(index + 1), index));
    this.member.idle = (index) => this.idle(index);
  }

  /** Resolves when a snapshot taken after this call is on disk and the log before it is gone. */
  demand(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.demands.push({ resolve, reject });
      this.member.poke();
    });
  }

  private due(index: number): boolean {
    if (this.demands.length) return true;
    return index - this.lastIndex >= this.snapshotCount && this.storage.wal.sizeBytes >= this.storage.snapshots.sizeBytes;
  }

  private async idle(index: number): Promise<void> {
    if (this.running || !this.due(index)) return;
    const demands = this.demands.splice(0);
    let superfluous: number;
    try {
      superfluous = await this.mark(index);
    } catch (error) {
      this.lastIndex = index - this.snapshotCount + retryEntries;
      for (const demand of demands) demand.reject(error);
      this.env.log.warn('cannot begin a new log segment for a snapshot', { error });
      return;
    }
    const { index: covered, chunks, release } = this.member.snapshot();
    this.running = this.write({ index: covered, superfluous }, chunks)
      .then(
        () => demands.forEach((demand) => demand.resolve()),
        (error: unknown) => {
          this.lastIndex = covered - this.snapshotCount + retryEntries;
          this.env.log.warn('snapshot failed; the log is kept', { error });
          for (const demand of demands) demand.reject(error);
        },
      )
      .finally(() => {
        release();
        this.running = undefined;
        if (this.demands.length) this.member.poke();
      });
  }

  private async write({ index, superfluous }: { index: number; superfluous: number }, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const started = this.env.clock.monotonic();
    await this.storage.snapshots.save(superfluous, chunks);
    this.lastIndex = index;
    await this.storage.wal.dropThrough(superfluous);
    const durationMs = Math.round(this.env.clock.monotonic() - started);
    this.env.log.info('snapshot taken', { index, bytes: this.storage.snapshots.sizeBytes, durationMs });
  }

  /** Waits for the snapshot being written. */
  async stop(): Promise<void> {
    await this.running;
    for (const demand of this.demands.splice(0)) demand.reject(new Error('stopped'));
  }
}
