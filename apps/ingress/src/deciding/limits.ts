import type { Clock } from '@orrery/runtime';
import type { LimitSettings } from '../annotations/settings.ts';

interface Bucket {
  /** Requests too many, as nginx counts: it leaks at the rate. */
  excess: number;
  atMs: number;
}

/** Buckets that are empty again are forgotten when there are so many. */
const sweepAt = 10_000;

/** Rates and connections of clients, for all locations; nginx's limit_req (without delay) and limit_conn. */
export class Limiter {
  private readonly clock: Clock;
  private readonly buckets = new Map<string, Bucket>();
  private readonly running = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Whether a request of `client` at `zone` is within the rates; what is refused does not count. */
  admits(zone: string, client: string, limits: LimitSettings): boolean {
    const { perSecond, perMinute, burstMultiplier } = limits;
    const second = perSecond === 0 || this.take(`${zone} s ${client}`, { perMs: perSecond / 1000, burst: perSecond * burstMultiplier });
    return second && (perMinute === 0 || this.take(`${zone} m ${client}`, { perMs: perMinute / 60_000, burst: perMinute * burstMultiplier }));
  }

  private take(key: string, { perMs, burst }: { perMs: number; burst: number }): boolean {
    const now = this.clock.monotonic();
    const bucket = this.buckets.get(key);
    if (!bucket) {
      if (this.buckets.size >= sweepAt) this.sweep(now, perMs);
      this.buckets.set(key, { excess: 0, atMs: now });
      return true;
    }
    const excess = Math.max(0, bucket.excess - (now - bucket.atMs) * perMs + 1);
    if (excess > burst) return false;
    bucket.excess = excess;
    bucket.atMs = now;
    return true;
  }

  private sweep(now: number, perMs: number): void {
    for (const [key, { excess, atMs }] of this.buckets) if (excess - (now - atMs) * perMs <= 0) this.buckets.delete(key);
  }

  /** Takes one of the client's connections; undefined: it has too many. The result gives it back. */
  enter(zone: string, client: string, most: number): (() => void) | undefined {
    if (most === 0) return () => undefined;
    const key = `${zone} ${client}`;
    const now = this.running.get(key) ?? 0;
    if (now >= most) return undefined;
    this.running.set(key, now + 1);
    return () => {
      const left = (this.running.get(key) ?? 1) - 1;
      if (left > 0) this.running.set(key, left);
      else this.running.delete(key);
    };
  }
}
