/** What a server takes of pings, as Go's gRPC has it (`keepalive.EnforcementPolicy`). */
export interface PingLimits {
  /** Milliseconds that should lie between two pings of a client. */
  readonly minMs: number;
  /** Whether clients without calls may ping so often, too. */
  readonly withoutCalls: boolean;
}

/** How often a client without calls may ping where it should not at all. */
const idleMs = 2 * 3600 * 1000;
/** Pings that came too early before the connection is ended. */
const maxStrikes = 2;

/** Counts the pings of one connection that come too early. */
export class PingPolicy {
  private readonly limits: PingLimits;
  private readonly now: () => number;
  private lastAt = -Infinity;
  private strikes = 0;

  /** `now` counts milliseconds and never goes back. */
  constructor(limits: PingLimits, now: () => number) {
    this.limits = limits;
    this.now = now;
  }

  /** A ping came; `busy`: answers went out since the one before. Why the connection is to end, if it is. */
  complaint(busy: boolean, calls: number): string | undefined {
    const { lastAt } = this;
    const at = (this.lastAt = this.now());
    if (busy) {
      this.strikes = 0;
      return undefined;
    }
    const due = lastAt + (calls === 0 && !this.limits.withoutCalls ? idleMs : this.limits.minMs);
    if (due > at) this.strikes += 1;
    return this.strikes > maxStrikes ? 'too_many_pings' : undefined;
  }
}
