import type { Clock } from '@orrery/runtime';
import type { Endpoint } from './net.ts';

/** What a flow was translated to. */
export interface Translation {
  readonly backend: Endpoint;
  /** The backend sees the node's address. */
  readonly masquerade: boolean;
}

interface Flow extends Translation {
  readonly original: Endpoint;
  expiresAt: number;
}

/** How long a UDP flow keeps its backend after its last datagram, as nf_conntrack_udp_timeout. */
const idleMs = 30_000;
const sweepAbove = 512;

function key(source: Endpoint, other: Endpoint): string {
  return `${source.ip}|${source.port}|${other.ip}|${other.port}`;
}

/** UDP translations of one switch: a flow stays with its backend, and answers come from the address that was asked. */
export class Conntrack {
  private readonly clock: Clock;
  private readonly forward = new Map<string, Flow>();
  private readonly reverse = new Map<string, Flow>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  flowOf(source: Endpoint, to: Endpoint): Translation | undefined {
    if (!this.forward.size) return undefined;
    return this.alive(this.forward.get(key(source, to)));
  }

  /** The address that `source` had sent to, when a datagram from `from` answers it. */
  originalOf(source: Endpoint, from: Endpoint): Endpoint | undefined {
    if (!this.reverse.size) return undefined;
    return this.alive(this.reverse.get(key(source, from)))?.original;
  }

  add(source: Endpoint, original: Endpoint, { backend, masquerade }: Translation): void {
    if (this.forward.size > sweepAbove) this.sweep();
    const flow: Flow = { backend, masquerade, original, expiresAt: this.clock.monotonic() + idleMs };
    this.forward.set(key(source, original), flow);
    this.reverse.set(key(source, backend), flow);
  }

  remove(source: Endpoint, to: Endpoint): void {
    const flow = this.forward.get(key(source, to));
    this.forward.delete(key(source, to));
    if (flow) this.reverse.delete(key(source, flow.backend));
  }

  get size(): number {
    return this.forward.size;
  }

  private alive(flow: Flow | undefined): Flow | undefined {
    const now = this.clock.monotonic();
    if (!flow || flow.expiresAt <= now) return undefined;
    flow.expiresAt = now + idleMs;
    return flow;
  }

  private sweep(): void {
    const now = this.clock.monotonic();
    for (const table of [this.forward, this.reverse]) for (const [name, flow] of table) if (flow.expiresAt <= now) table.delete(name);
  }
}
