import type { LeaseCheckpointRequest } from '@orrery/proto/etcd';
import type { Clock, Timer } from '@orrery/runtime';

export interface LeaseCheckpointsOptions {
  readonly clock: Clock;
  /** Milliseconds between checkpoints; 0: never. Leases that live no longer are not worth one. */
  readonly intervalMs: number;
  /** Leases granted for more than so many seconds, with the seconds they have left, rounded up. */
  readonly longer: (ttl: number) => readonly (readonly [id: string, seconds: number])[];
  /** Whether the log says how much a lease has left. */
  readonly isRecorded: (id: string) => boolean;
  readonly propose: (request: LeaseCheckpointRequest) => Promise<unknown>;
  readonly failed: (error: unknown) => void;
}

/** Leases in one entry, as etcd's. */
const batchSize = 1000;

/**
 * Writes into the log, now and then, how much long leases have left, so that a new leader or a restarted store does not give them
 * their full time again; as etcd does with `--experimental-enable-lease-checkpoint`. Runs on the leader.
 */
export class LeaseCheckpoints {
  private readonly options: LeaseCheckpointsOptions;
  private timer: Timer | undefined;
  /** On their way into the log, with how many entries. */
  private readonly underway = new Map<string, number>();

  constructor(options: LeaseCheckpointsOptions) {
    this.options = options;
  }

  start(): void {
    this.stop();
    const { clock, intervalMs, failed } = this.options;
    if (intervalMs > 0) this.timer = clock.every(intervalMs, () => void this.record().catch(failed));
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private async record(): Promise<void> {
    const due = this.options.longer(this.options.intervalMs / 1000);
    for (let at = 0; at < due.length; at += batchSize) await this.write(due.slice(at, at + batchSize));
  }

  private async write(times: readonly (readonly [id: string, seconds: number])[]): Promise<void> {
    for (const [id] of times) this.underway.set(id, (this.underway.get(id) ?? 0) + 1);
    try {
      await this.options.propose({ checkpoints: times.map(([ID, seconds]) => ({ ID, remainingTTL: seconds })) });
    } finally {
      for (const [id] of times) {
        const left = (this.underway.get(id) ?? 0) - 1;
        if (left > 0) this.underway.set(id, left);
        else this.underway.delete(id);
      }
    }
  }

  /** Before a lease is renewed: what the log says of it no longer holds. A promise only where there is something to be written. */
  forget(id: string): Promise<void> | undefined {
    return this.options.isRecorded(id) || this.underway.has(id) ? this.write([[id, 0]]) : undefined;
  }
}
