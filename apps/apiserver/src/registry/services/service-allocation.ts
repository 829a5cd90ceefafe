import type { Service, ServiceCIDR } from '@orrery/api/types';
import { type FieldError, invalid } from '@orrery/errors';
import { type Env, rfc3339 } from '@orrery/runtime';
import type { Entry } from '../../cache/entry.ts';
import { encodeForStorage } from '../../cache/encoding.ts';
import type { StoreFeed } from '../../cache/store-feed.ts';
import type { Write } from '../../storage/etcd-store.ts';
import type { Kinds } from '../kinds.ts';
import type { StorageHook } from '../storage-hook.ts';
import { allocationMetrics } from './allocation-metrics.ts';
import { type AddressPool, fillAddresses } from './cluster-ips.ts';
import { held } from './held.ts';
import { settleFamilies } from './ip-families.ts';
import { addressFor } from './ip-address.ts';
import { type IpRange, parseRange, parseRanges } from './ip-range.ts';
import { type PortPool, fillPorts, ownerOfPort, parsePortRange, portKey } from './node-ports.ts';

export interface AllocationSetup {
  readonly env: Env;
  readonly feed: StoreFeed;
  readonly kinds: Kinds;
  readonly root: string;
  /** One range, or two of different families with a comma. */
  readonly serviceCidr: string;
  readonly nodePortRange: string;
}

/** Keys that the store refused; undefined in a dry run. */
type Taken = ReadonlySet<string> | undefined;

const refusal = (draft: Service) => (error: FieldError): Error => invalid({ group: '', kind: 'Service', name: draft.metadata?.name ?? '' }, [error]);

/**
 * Gives services their cluster IPs and node ports. Each allocation is a key of its own (the IPAddress object, a node port
 * record) that must not exist, written in the transaction that stores the service: no replica can hand out what another
 * has, and nothing leaks when a write fails. Addresses come from the ranges of the flag and from those of ServiceCIDRs.
 */
export class ServiceAllocation implements StorageHook {
  private readonly setup: AllocationSetup;
  private readonly ranges: readonly IpRange[];
  private readonly ports: { readonly from: number; readonly to: number };

  constructor(setup: AllocationSetup) {
    this.setup = setup;
    this.ranges = parseRanges(setup.serviceCidr);
    this.ports = parsePortRange(setup.nodePortRange);
    const all = (group: string, resource: string): Entry[] => this.cache(group, resource).list({ namespace: '' });
    allocationMetrics(setup.env.metrics, {
      ranges: () => this.allRanges(),
      addresses: () => all('networking.k8s.io', 'ipaddresses').map(({ name }) => name),
      services: () => all('', 'services').map(({ object }) => object as Service),
      ports: this.ports,
    });
  }

  handles(kind: { group: string; resource: string }): boolean {
    return kind.group === '' && kind.resource === 'services';
  }

  plan(change: { draft: Service | undefined; old: Service | undefined; taken: Taken }): readonly Write[] {
    const { draft, old, taken } = change;
    const before = held(old);
    if (draft?.spec) {
      const errors = settleFamilies(draft, { old: old?.spec, families: this.ranges.map(({ family }) => family) });
      if (errors.length > 0) throw invalid({ group: '', kind: 'Service', name: draft.metadata?.name ?? '' }, errors);
      fillAddresses(draft, { keep: new Set(before.ips), pool: this.addressPool(draft, taken) });
      fillPorts(draft, { old, pool: this.portPool(draft, taken) });
    }
    const after = held(draft);
    const writes: Write[] = [];
    for (const ip of after.ips) if (!before.ips.includes(ip)) writes.push({ key: this.ipKey(ip), expect: 0, put: this.addressObject(ip, draft as Service) });
    for (const ip of before.ips) if (!after.ips.includes(ip)) writes.push({ key: this.ipKey(ip), delete: true });
    const owner = ownerOfPort(draft ?? old);
    for (const port of after.ports) if (!before.ports.includes(port)) writes.push({ key: this.portKey(port), expect: 0, put: owner });
    for (const port of before.ports) if (!after.ports.includes(port)) writes.push({ key: this.portKey(port), delete: true });
    return writes;
  }

  private addressPool(draft: Service, taken: Taken): AddressPool {
    const cache = this.cache('networking.k8s.io', 'ipaddresses');
    return {
      ranges: this.allRanges(),
      random: this.setup.env.random,
      exists: (ip) => cache.get(ip) !== undefined,
      known: cache.size + (taken?.size ?? 0),
      isTaken: taken && ((ip) => taken.has(this.ipKey(ip))),
      refuse: refusal(draft),
    };
  }

  private portPool(draft: Service, taken: Taken): PortPool {
    let used: Set<number> | undefined;
    return {
      ...this.ports,
      random: this.setup.env.random,
      inUse: () => (used ??= new Set(this.cache('', 'services').list({ namespace: '' }).flatMap((entry) => held(entry.object as Service).ports))),
      isTaken: taken && ((port) => taken.has(this.portKey(port))),
      refuse: refusal(draft),
    };
  }

  /** Those of the flag first; a ServiceCIDR that is on its way out, or not ready, gives nothing more. */
  private allRanges(): readonly IpRange[] {
    const own = new Set(this.ranges.map(({ cidr }) => cidr));
    const families = new Set(this.ranges.map(({ family }) => family));
    const further = this.cache('networking.k8s.io', 'servicecidrs').list({ namespace: '' }).flatMap((entry) => {
      const { metadata, spec, status } = entry.object as ServiceCIDR;
      const isOut = metadata?.deletionTimestamp !== undefined || status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'False');
      return isOut ? [] : (spec?.cidrs ?? []);
    });
    const ranges = further.flatMap((cidr) => (own.has(cidr) ? [] : (parseRange(cidr) ?? [])));
    return [...this.ranges, ...ranges.filter(({ family }) => families.has(family))];
  }

  private ipKey(ip: string): string {
    return `${this.cache('networking.k8s.io', 'ipaddresses').prefix}${ip}`;
  }

  private portKey(port: number): string {
    return portKey(this.setup.root, port);
  }

  private cache(group: string, resource: string) {
    const kind = this.setup.kinds.kept(group, 'v1', resource);
    if (!kind) throw new Error(`kind ${resource} is not registered`);
    return this.setup.feed.cache(kind);
  }

  private addressObject(ip: string, owner: Service): Buffer {
    const { env } = this.setup;
    const { metadata, ...rest } = addressFor(ip, owner);
    return encodeForStorage({ ...rest, metadata: { ...metadata, uid: env.random.uuid(), creationTimestamp: rfc3339(env.clock.now()) } });
  }
}
