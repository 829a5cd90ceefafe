import type { Clock, Random } from '@orrery/runtime';
import { normalizeIp } from './address.ts';
import type { Endpoint } from './net.ts';
import type { ServiceRule } from './rules.ts';

export type Protocol = 'TCP' | 'UDP';

/** Where a packet for a service goes; `unmatched` when the address is no service's. */
export type Resolution = { readonly to: Endpoint; readonly rule: string } | 'refuse' | 'drop' | 'unmatched';

/** Client address to its backend. */
type Affinity = Map<string, { backend: Endpoint; expiresAt: number }>;
type Index = ReadonlyMap<string, ServiceRule>;

function addressKey(protocol: Protocol, ip: string, port: number): string {
  return `${protocol}/${normalizeIp(ip)}/${port}`;
}

function nodePortKey(protocol: Protocol, port: number): string {
  return `${protocol}/*/${port}`;
}

function ruleKey({ match }: ServiceRule): string {
  return 'nodePort' in match ? nodePortKey(match.protocol, match.nodePort) : addressKey(match.protocol, match.ip, match.port);
}

/** kube-proxy gives all switches the same rules, so those of one process share their index. */
const indexes = new WeakMap<readonly ServiceRule[], Index>();

function indexOf(rules: readonly ServiceRule[]): Index {
  let index = indexes.get(rules);
  if (!index) indexes.set(rules, (index = new Map(rules.map((rule) => [ruleKey(rule), rule]))));
  return index;
}

function hasBackend(rule: ServiceRule, { ip, port }: Endpoint): boolean {
  return rule.backends.some((backend) => backend.port === port && backend.ip === ip);
}

/** The rules of one switch, as kube-proxy's chains: match, pick a backend, remember the client's when asked to. */
export class ServiceTable {
  private readonly clock: Clock;
  private readonly random: Random;
  private rules: Index = new Map();
  /** By the key of the rule; made at the first use. */
  private affinities = new Map<string, Affinity>();

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** Replaces all rules (the array must not change any more); affinities to backends that are still there live on. */
  replace(rules: readonly ServiceRule[]): void {
    this.rules = indexOf(rules);
    for (const key of this.affinities.keys()) if (!this.rules.get(key)?.affinitySeconds) this.affinities.delete(key);
  }

  get size(): number {
    return this.rules.size;
  }

  /** `nodeAddress`: the destination is one of this node's own addresses, so node ports apply. */
  resolve(protocol: Protocol, to: Endpoint, client: { ip: string; nodeAddress: boolean }): Resolution {
    const rule = this.rules.get(addressKey(protocol, to.ip, to.port)) ?? (client.nodeAddress ? this.rules.get(nodePortKey(protocol, to.port)) : undefined);
    if (!rule) return 'unmatched';
    if (!rule.backends.length) return rule.whenEmpty;
    return { to: this.pick(rule, client.ip), rule: rule.service };
  }

  /** Whether a flow that was sent to `backend` may go on doing so. */
  stillValid(protocol: Protocol, to: Endpoint, backend: Endpoint): boolean {
    const rule = this.rules.get(addressKey(protocol, to.ip, to.port)) ?? this.rules.get(nodePortKey(protocol, to.port));
    return !!rule && hasBackend(rule, backend);
  }

  private pick(rule: ServiceRule, clientIp: string): Endpoint {
    const draw = (): Endpoint => rule.backends[this.random.int(rule.backends.length)] as Endpoint;
    if (!rule.affinitySeconds) return draw();
    const now = this.clock.monotonic();
    const affinity = this.affinityOf(ruleKey(rule));
    const remembered = affinity.get(clientIp);
    const backend = remembered && remembered.expiresAt > now && hasBackend(rule, remembered.backend) ? remembered.backend : draw();
    affinity.set(clientIp, { backend, expiresAt: now + rule.affinitySeconds * 1000 });
    return backend;
  }

  private affinityOf(key: string): Affinity {
    let affinity = this.affinities.get(key);
    if (!affinity) this.affinities.set(key, (affinity = new Map()));
    return affinity;
  }
}
