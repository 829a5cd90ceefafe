import type { Leases } from '@orrery/mvcc';
import type { Clock, Timer } from '@orrery/runtime';

/** Longest wait of one timer: longer delays overflow the platform's timers. */
const maxDelayMs = 2 ** 31 - 1;

/**
 * When leases are over, by the leader's own clock. A new leader, or a restarted member, gives every lease what it had left by the last
 * checkpoint, or its full time again. Calls `expired` until the lease is gone from the state. Stands still on members that
 * do not lead.
 */
export class LeaseClock {
  private readonly deadlines = new Map<string, number>();
  private timer: Timer | undefined;
  private timerAt = Infinity;
  private readonly clock: Clock;
  private readonly leases: () => Leases;
  private readonly recorded: (id: string) => number | undefined;
  private readonly expired: (ids: string[]) => void;
  private stopped = false;
  private leading = false;

  constructor(options: { clock: Clock; leases: () => Leases; recorded: (id: string) => number | undefined; expired: (ids: string[]) => void }) {
    this.clock = options.clock;
    this.leases = options.leases;
    this.recorded = options.recorded;
    this.expired = options.expired;
  }

  /** Begins to lead: every lease has at least the time it was promised. */
  restart(): void {
    this.leading = true;
    this.deadlines.clear();
    for (const lease of this.leases().all()) this.deadlines.set(lease.id, this.deadline(this.recorded(lease.id) ?? lease.ttl));
    this.arm();
  }

  /** Another member leads: it counts. */
  pause(): void {
    this.leading = false;
    this.deadlines.clear();
    this.arm();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  started(id: string): void {
    const lease = this.leases().get(id);
    if (!lease || !this.leading) return;
    const deadline = this.deadline(lease.ttl);
    this.deadlines.set(id, deadline);
    if (deadline < this.timerAt) this.arm();
  }

  ended(id: string): void {
    this.deadlines.delete(id);
  }

  /** Starts the lease's time anew; its TTL, or 0 when there is no such lease. */
  renew(id: string): number {
    const lease = this.leases().get(id);
    if (!lease || this.remaining(id) < 0) return 0;
    this.deadlines.set(id, this.deadline(lease.ttl));
    return lease.ttl;
  }

  /** Whole seconds left; negative once it is over. */
  remaining(id: string): number {
    return Math.floor(((this.deadlines.get(id) ?? -Infinity) - this.clock.monotonic()) / 1000);
  }

  /** Leases granted for more than `ttl` seconds, with the seconds left, rounded up: none may end early. */
  longer(ttl: number): [id: string, seconds: number][] {
    const now = this.clock.monotonic();
    const found: [string, number][] = [];
    for (const [id, deadline] of this.deadlines) {
      if ((this.leases().get(id)?.ttl ?? 0) > ttl && deadline > now) found.push([id, Math.ceil((deadline - now) / 1000)]);
    }
    return found;
  }

  byExpiry(): string[] {
    return [...this.deadlines].sort((a, b) => a[1] - b[1]).map(([id]) => id);
  }

  private deadline(ttl: number): number {
    return this.clock.monotonic() + ttl * 1000;
  }

  /** One timer for the next deadline. Renewals only move deadlines away, so it may find nothing to do and go on. */
  private arm(atLeastMs = 0): void {
    this.timer?.cancel();
    this.timerAt = this.soonest();
    if (this.timerAt === Infinity || this.stopped) return;
    const delay = Math.min(Math.max(this.timerAt - this.clock.monotonic(), atLeastMs), maxDelayMs);
    this.timer = this.clock.after(Math.ceil(delay), () => this.fire());
  }

  private soonest(): number {
    let least = Infinity;
    for (const deadline of this.deadlines.values()) if (deadline < least) least = deadline;
    return least;
  }

  private fire(): void {
    const now = this.clock.monotonic();
    const over = [...this.deadlines].filter(([, deadline]) => deadline <= now).map(([id]) => id);
    if (over.length) this.expired(over);
    // Those stay until their revocation is applied; ask again if that fails.
    this.arm(over.length ? 500 : 0);
  }
}
