import type { Service, ServiceSpec } from '@orrery/api/types';
import { type FieldError, fieldError, internalError, invalid } from '@orrery/errors';
import { type Env, rfc3339 } from '@orrery/runtime';
import { encodeForStorage } from '../../cache/encoding.ts';
import type { StoreFeed } from '../../cache/store-feed.ts';
import type { Write } from '../../storage/etcd-store.ts';
import type { Kinds } from '../kinds.ts';
import type { StorageHook } from '../storage-hook.ts';
import { type IpRange, formatIpv4, inRange, parseRange, staticBand } from './ip-range.ts';

export interface AllocationSetup {
  readonly env: Env;
  readonly feed: StoreFeed;
  readonly kinds: Kinds;
  readonly root: string;
  readonly serviceCidr: string;
  readonly nodePortRange: string;
}

/** Keys that the store refused; undefined in a dry run. */
type Taken = ReadonlySet<string> | undefined;

const usesClusterIp = (spec: ServiceSpec | undefined): boolean => spec !== undefined && spec.type !== 'ExternalName' && spec.clusterIP !== 'None';

function usesNodePorts(spec: ServiceSpec | undefined): boolean {
  return spec?.type === 'NodePort' || (spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

const usesHealthPort = (spec: ServiceSpec | undefined): boolean => spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Addresses and ports that a service holds. */
function held(service: Service | undefined): { ips: string[]; ports: number[] } {
  const spec = service?.spec;
  const ips = usesClusterIp(spec) ? (spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : [])) : [];
  const ports = (spec?.ports ?? []).map((port) => port.nodePort ?? 0);
  if (spec?.healthCheckNodePort) ports.push(spec.healthCheckNodePort);
  return { ips: ips.filter((ip) => ip !== '' && ip !== 'None'), ports: [...new Set(ports.filter((port) => port > 0))] };
}

/**
 * Gives services their cluster IP and node ports. Each allocation is a key of its own (the IPAddress object, a node port
 * record) that must not exist, written in the transaction that stores the service: no replica can hand out what another
 * has, and nothing leaks when a write fails.
 */
export class ServiceAllocation implements StorageHook {
  private readonly setup: AllocationSetup;
  private readonly range: IpRange;
  private readonly portFrom: number;
  private readonly portTo: number;

  constructor(setup: AllocationSetup) {
    this.setup = setup;
    this.range = parseRange(setup.serviceCidr);
    const [from = 30000, to = 32767] = setup.nodePortRange.split('-').map(Number);
    this.portFrom = from;
    this.portTo = to;
  }

  handles(kind: { group: string; resource: string }): boolean {
    return kind.group === '' && kind.resource === 'services';
  }

  plan(change: { draft: Service | undefined; old: Service | undefined; taken: ReadonlySet<string> | undefined }): readonly Write[] {
    const { draft, old, taken } = change;
    const before = held(old);
    if (draft?.spec) {
      const keep = new Set(before.ips);
      this.fillAddresses(draft, { keep, taken });
      this.fillPorts(draft, { keep: new Set(before.ports), taken });
    }
    const after = held(draft);
    const writes: Write[] = [];
    for (const ip of after.ips) if (!before.ips.includes(ip)) writes.push({ key: this.ipKey(ip), expect: 0, put: this.addressObject(ip, draft as Service) });
    for (const ip of before.ips) if (!after.ips.includes(ip)) writes.push({ key: this.ipKey(ip), delete: true });
    const owner = Buffer.from(JSON.stringify({ service: `${(draft ?? old)?.metadata?.namespace}/${(draft ?? old)?.metadata?.name}` }));
    for (const port of after.ports) if (!before.ports.includes(port)) writes.push({ key: this.portKey(port), expect: 0, put: owner });
    for (const port of before.ports) if (!after.ports.includes(port)) writes.push({ key: this.portKey(port), delete: true });
    return writes;
  }

  private ipKey(ip: string): string {
    return `${this.addresses().prefix}${ip}`;
  }

  private portKey(port: number): string {
    return `${this.setup.root}/ranges/servicenodeports/${port}`;
  }

  private addresses() {
    const kind = this.setup.kinds.get('networking.k8s.io', 'v1', 'ipaddresses');
    if (!kind) throw new Error('kind ipaddresses is not registered');
    return this.setup.feed.cache(kind);
  }

  private services() {
    const kind = this.setup.kinds.get('', 'v1', 'services');
    if (!kind) throw new Error('kind services is not registered');
    return this.setup.feed.cache(kind);
  }

  private refuse(draft: Service, error: FieldError): Error {
    return invalid({ group: '', kind: 'Service', name: draft.metadata?.name ?? '' }, [error]);
  }

  private fillAddresses(draft: Service, known: { keep: ReadonlySet<string>; taken: Taken }): void {
    const { spec } = draft;
    if (!spec || spec.type === 'ExternalName') return;
    spec.ipFamilyPolicy ||= 'SingleStack';
    if (!spec.ipFamilies?.length) spec.ipFamilies = ['IPv4'];
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return;
    }
    if (spec.clusterIP) this.checkAddress(draft, spec.clusterIP, known);
    else spec.clusterIP = this.freeAddress(known.taken);
    spec.clusterIPs = [spec.clusterIP];
  }

  /** Whether an address is free is for the store to say: the cache may not have heard yet that it was released. */
  private checkAddress(draft: Service, ip: string, { keep, taken }: { keep: ReadonlySet<string>; taken: Taken }): void {
    if (keep.has(ip)) return;
    const refuse = (why: string): Error =>
      this.refuse(draft, { reason: 'FieldValueInvalid', field: 'spec.clusterIPs', message: `Invalid value: []string{"${ip}"}: failed to allocate IP ${ip}: ${why}` });
    if (!inRange(this.range, ip)) throw refuse(`provided IP is not in the valid range. The range of valid IPs is ${this.range.cidr}`);
    if (taken ? taken.has(this.ipKey(ip)) : this.addresses().get(ip)) throw refuse('provided IP is already allocated');
  }

  /** A random free address, outside the static band while there is room. */
  private freeAddress(taken: Taken): string {
    const { base, size } = this.range;
    const cache = this.addresses();
    const free = (ip: string): boolean => !cache.get(ip) && !taken?.has(cache.prefix + ip);
    const band = staticBand(this.range);
    for (const [from, to] of [[band, size - 1], [1, band]] as const) {
      const count = to - from;
      if (count <= 0) continue;
      const start = this.setup.env.random.int(count);
      for (let i = 0; i < count; i++) {
        const ip = formatIpv4(base + from + ((start + i) % count));
        if (free(ip)) return ip;
      }
    }
    throw internalError('failed to allocate a serviceIP: range is full');
  }

  private fillPorts(draft: Service, known: { keep: ReadonlySet<number>; taken: Taken }): void {
    const { spec } = draft;
    if (!spec) return;
    let used: Set<number> | undefined;
    const inUse = (): Set<number> => (used ??= this.portsInUse());
    const chosen = new Map<number, number>();
    for (const [i, port] of (spec.ports ?? []).entries()) {
      if (port.nodePort) this.checkPort(draft, { port: port.nodePort, field: `spec.ports[${i}].nodePort` }, { ...known, inUse });
      if (!usesNodePorts(spec)) continue;
      // The same port of two protocols gets the same node port.
      port.nodePort ||= chosen.get(port.port) ?? this.freePort(inUse(), known.taken);
      chosen.set(port.port, port.nodePort);
    }
    if (!usesHealthPort(spec)) return;
    if (spec.healthCheckNodePort) this.checkPort(draft, { port: spec.healthCheckNodePort, field: 'spec.healthCheckNodePort' }, { ...known, inUse });
    else spec.healthCheckNodePort = this.freePort(inUse(), known.taken);
  }

  private portsInUse(): Set<number> {
    const used = new Set<number>();
    for (const entry of this.services().list({ namespace: '' })) for (const port of held(entry.object as Service).ports) used.add(port);
    return used;
  }

  private checkPort(
    draft: Service,
    wanted: { port: number; field: string },
    known: { keep: ReadonlySet<number>; taken: Taken; inUse: () => Set<number> },
  ): void {
    const { port, field } = wanted;
    if (known.keep.has(port)) return;
    if (port < this.portFrom || port > this.portTo) {
      throw this.refuse(draft, fieldError.invalid(field, port, `provided port is not in the valid range. The range of valid ports is ${this.portFrom}-${this.portTo}`));
    }
    if (known.taken ? known.taken.has(this.portKey(port)) : known.inUse().has(port)) throw this.refuse(draft, fieldError.invalid(field, port, 'provided port is already allocated'));
  }

  private freePort(used: Set<number>, taken: Taken): number {
    const count = this.portTo - this.portFrom + 1;
    const start = this.setup.env.random.int(count);
    for (let i = 0; i < count; i++) {
      const port = this.portFrom + ((start + i) % count);
      if (used.has(port) || taken?.has(this.portKey(port))) continue;
      used.add(port);
      return port;
    }
    throw internalError('failed to allocate a nodePort: range is full');
  }

  private addressObject(ip: string, owner: Service): Buffer {
    const { env } = this.setup;
    return encodeForStorage({
      kind: 'IPAddress',
      apiVersion: 'networking.k8s.io/v1',
      metadata: {
        name: ip,
        uid: env.random.uuid(),
        creationTimestamp: rfc3339(env.clock.now()),
        labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' },
      },
      spec: { parentRef: { group: '', resource: 'services', namespace: owner.metadata?.namespace, name: owner.metadata?.name } },
    } as never);
  }
}
