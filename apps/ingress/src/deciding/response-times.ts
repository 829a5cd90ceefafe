import type { Clock, Random } from '@orrery/runtime';
import type { Endpoint } from '@orrery/vnet';
import type { Attempt } from '../proxy.ts';
import { endpointKey } from './balance.ts';

/** Half of what was known is forgotten after about seven seconds, as in ingress-nginx. */
const decaySeconds = 10;

/** Moving averages of how long endpoints take, by which `load-balance: ewma` chooses: of two drawn at random the quicker. */
export class ResponseTimes {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly known = new Map<string, { seconds: number; atMs: number }>();

  constructor({ clock, random }: { clock: Clock; random: Random }) {
    this.clock = clock;
    this.random = random;
  }

  note(attempts: readonly Attempt[]): void {
    for (const { endpoint, connectSeconds, seconds } of attempts) {
      const key = endpointKey(endpoint);
      const weight = this.weight(key);
      this.known.set(key, { seconds: this.score(key) * weight + (connectSeconds + seconds) * (1 - weight), atMs: this.clock.monotonic() });
    }
    if (this.known.size > 10_000) for (const key of this.known.keys()) if (this.weight(key) < 0.001) this.known.delete(key);
  }

  /** The endpoints, the chosen one first. */
  order(endpoints: readonly Endpoint[]): readonly Endpoint[] {
    if (endpoints.length < 2) return endpoints;
    const one = this.random.int(endpoints.length);
    const other = (one + 1 + this.random.int(endpoints.length - 1)) % endpoints.length;
    const [a, b] = [endpoints[one] as Endpoint, endpoints[other] as Endpoint];
    const first = this.now(endpointKey(b)) < this.now(endpointKey(a)) ? b : a;
    return [first, ...endpoints.filter((endpoint) => endpoint !== first)];
  }

  private weight(key: string): number {
    const known = this.known.get(key);
    return known ? Math.exp(-Math.max(0, this.clock.monotonic() - known.atMs) / 1000 / decaySeconds) : 0;
  }

  private score(key: string): number {
    return this.known.get(key)?.seconds ?? 0;
  }

  /** What is not asked for long is taken for quick again, so that it gets another chance. */
  private now(key: string): number {
    return this.score(key) * this.weight(key);
  }
}
