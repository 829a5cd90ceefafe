const maxSeconds = 32;
/** Seconds of history that are kept. */
const window = 60;

/**
 * How long refused requests of one level are told to stay away: doubled when more are refused than that can absorb, a second
 * less when few are. As upstream: looked at anew once `seconds` have passed since it changed.
 */
export class RetryAfter {
  seconds = 1;
  private readonly drops: { second: number; count: number }[] = [];
  private changedAt = 0;

  /** One request was refused; returns the seconds to tell it. */
  refused(nowMs: number): number {
    const now = Math.floor(nowMs / 1000);
    const last = this.drops.at(-1);
    if (last?.second === now) last.count += 1;
    else {
      if (last) this.adjust(now);
      this.drops.push({ second: now, count: 1 });
      if (this.drops.length > window) this.drops.shift();
    }
    return this.seconds;
  }

  private adjust(now: number): void {
    if (now - this.changedAt < this.seconds) return;
    const recent = this.drops.filter(({ second }) => second >= now - this.seconds).reduce((sum, { count }) => sum + count, 0);
    const before = this.seconds;
    if (recent < this.seconds) this.seconds = Math.max(1, this.seconds - 1);
    else if (recent >= 3 * this.seconds) this.seconds = Math.min(maxSeconds, this.seconds * 2);
    if (this.seconds !== before) this.changedAt = now;
  }
}
