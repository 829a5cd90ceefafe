import { MvccError } from './errors.ts';
import type { Key } from './keys.ts';

/** Longest TTL etcd grants, seconds. */
export const maxLeaseTtl = 9_000_000_000;

export interface Lease {
  readonly id: string;
  /** Granted TTL, seconds. */
  readonly ttl: number;
  readonly keys: Set<Key>;
}

/** Leases and the keys attached to them: the replicated half. When a lease expires is the leader's own matter (`LeaseClock`). */
export class Leases {
  private readonly byId = new Map<string, Lease>();

  grant(id: string, ttl: number): Lease {
    if (ttl > maxLeaseTtl) throw new MvccError('leaseTtlTooLarge');
    if (this.byId.has(id)) throw new MvccError('leaseExists');
    const lease: Lease = { id, ttl, keys: new Set() };
    this.byId.set(id, lease);
    return lease;
  }

  get(id: string): Lease | undefined {
    return this.byId.get(id);
  }

  require(id: string): Lease {
    const lease = this.byId.get(id);
    if (!lease) throw new MvccError('leaseNotFound');
    return lease;
  }

  remove(id: string): void {
    this.byId.delete(id);
  }

  attach(id: string, key: Key): void {
    this.byId.get(id)?.keys.add(key);
  }

  detach(id: string, key: Key): void {
    this.byId.get(id)?.keys.delete(key);
  }

  all(): IterableIterator<Lease> {
    return this.byId.values();
  }

  get size(): number {
    return this.byId.size;
  }
}
