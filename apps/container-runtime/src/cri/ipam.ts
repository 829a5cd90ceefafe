import { type Cidr, cidrContains, formatIp, parseCidr, parseIp } from '@orrery/vnet';
import { Code, RpcError } from '@orrery/rpc';

interface Pool {
  readonly cidr: Cidr;
  readonly used: Set<bigint>;
  last: bigint;
  readonly size: bigint;
}

/**
 * Addresses of one node's pods, as host-local IPAM: the first address is the gateway's, the last of an IPv4 range the
 * broadcast address. Handed out round robin, so that an address rests before it is used again.
 */
export class Ipam {
  private pools: Pool[] = [];
  private text = '';

  /** `10.244.1.0/24`, or two families separated by a comma. A range that is set again keeps its allocations. */
  setCidr(text: string): void {
    if (text === this.text) return;
    const old = this.pools;
    this.pools = text.split(',').filter(Boolean).map((part) => {
      const cidr = parseCidr(part.trim());
      const same = old.find((pool) => pool.cidr.base === cidr.base && pool.cidr.bits === cidr.bits);
      return same ?? { cidr, used: new Set(), last: 1n, size: 1n << BigInt((cidr.family === 6 ? 128 : 32) - cidr.bits) };
    });
    this.text = text;
  }

  get cidr(): string {
    return this.text;
  }

  get ready(): boolean {
    return this.pools.length > 0;
  }

  /** One address a family. Throws when the range is used up. */
  allocate(): string[] {
    return this.pools.map((pool) => {
      const usable = pool.size - (pool.cidr.family === 4 ? 3n : 2n);
      if (BigInt(pool.used.size) >= usable) throw new RpcError(Code.UNKNOWN, `failed to allocate for range 0: no IP addresses available in range set: ${this.text}`);
      let offset = pool.last;
      do offset = offset >= usable + 1n ? 2n : offset + 1n;
      while (pool.used.has(offset));
      pool.used.add(offset);
      pool.last = offset;
      return formatIp({ family: pool.cidr.family, value: pool.cidr.base + offset });
    });
  }

  release(ips: readonly string[]): void {
    for (const ip of ips) {
      const parsed = parseIp(ip);
      const pool = parsed && this.pools.find(({ cidr }) => cidrContains(cidr, parsed));
      if (pool && parsed) pool.used.delete(parsed.value - pool.cidr.base);
    }
  }
}
