import type { Clock, Random } from '@orrery/runtime';
import { cidrContains, parseCidr, parseIp } from './address.ts';
import type { Endpoint } from './net.ts';
import { type Protocol, RuleBook, addressKey, listBook, nodePortKey, sharedBook } from './rule-book.ts';
import type { ServiceRule, ServiceUpdate } from './rules.ts';

export type { Protocol } from './rule-book.ts';

/** Where a packet for a service goes; `unmatched` when the address is no service's. */
export type Resolution = { readonly to: Endpoint; readonly rule: string; readonly masquerade: boolean } | 'refuse' | 'drop' | 'unmatched';

export interface Client {
  readonly ip: string;
  /** The destination is one of this node's own addresses, so node ports apply. */
  readonly nodeAddress: boolean;
  /** It is this node, or a pod on it. */
  readonly inside: boolean;
}

/** Client address to its backend. */
type Affinity = Map<string, { backend: Endpoint; expiresAt: number }>;

/** Affinities of one service beyond which expired ones are looked for. */
const sweepAbove = 512;

function includes(backends: readonly Endpoint[] | undefined, { ip, port }: Endpoint): boolean {
  return !!backends?.some((backend) => backend.port === port && backend.ip === ip);
}

function mayConnect(rule: ServiceRule, client: string): boolean {
  if (!rule.sources) return true;
  const ip = parseIp(client);
  return !!ip && rule.sources.some((range) => cidrContains(parseCidr(range), ip));
}

/** The rules of one switch, as kube-proxy's chains: match, pick a backend, remember the client's when asked to. */
export class ServiceTable {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly families: number;
  private shared = new RuleBook();
  private own: RuleBook | undefined;
  /** By service port; made at the first use. */
  private readonly affinities = new Map<string, Affinity>();

  /** `families`: of how many the node has addresses. */
  constructor(clock: Clock, random: Random, families = 1) {
    this.clock = clock;
    this.random = random;
    this.families = families;
  }

  /** Replaces all rules (the array must not change any more); affinities to backends that are still there live on. */
  replace(rules: readonly ServiceRule[]): void {
    this.shared = listBook(rules);
    this.own = undefined;
  }

  update(update: ServiceUpdate): void {
    if (update.layer === 'own') {
      this.own ??= new RuleBook();
      if (update.full) this.own.replaceAll(update.services);
      else this.own.change(update.services);
    } else if (update.full) this.shared = sharedBook(update);
    else this.shared.change(update.services);
  }

  get size(): number {
    return this.shared.size + (this.own?.size ?? 0);
  }

  resolve(protocol: Protocol, to: Endpoint, client: Client): Resolution {
    const rule = this.find(addressKey(protocol, to.ip, to.port)) ?? (client.nodeAddress ? this.atNodePort(protocol, to) : undefined);
    if (!rule) return 'unmatched';
    if (!mayConnect(rule, client.ip)) return 'drop';
    const inside = client.inside && rule.inside !== undefined;
    const backends = (inside ? rule.inside : undefined) ?? rule.backends;
    if (!backends.length) return inside ? 'refuse' : rule.whenEmpty;
    return { to: this.pick(rule, backends, { protocol, ip: client.ip }), rule: rule.service, masquerade: rule.masquerade === true };
  }

  /** Whether a service has this very address, as a load balancer on this machine has one of loopback. */
  has(protocol: Protocol, to: Endpoint): boolean {
    return this.find(addressKey(protocol, to.ip, to.port)) !== undefined;
  }

  /** Whether a flow that was sent to `backend` may go on doing so. */
  stillValid(protocol: Protocol, to: Endpoint, backend: Endpoint): boolean {
    const rule = this.find(addressKey(protocol, to.ip, to.port)) ?? this.atNodePort(protocol, to);
    return !!rule && (includes(rule.backends, backend) || includes(rule.inside, backend));
  }

  /** A node of one address has no other place for services of the other family. */
  private atNodePort(protocol: Protocol, { ip, port }: Endpoint): ServiceRule | undefined {
    const family = ip.includes(':') ? 6 : 4;
    const rule = this.find(nodePortKey(protocol, port, family));
    return rule || this.families > 1 ? rule : this.find(nodePortKey(protocol, port, family === 6 ? 4 : 6));
  }

  private find(key: string): ServiceRule | undefined {
    return this.own?.get(key) ?? this.shared.get(key);
  }

  private pick(rule: ServiceRule, backends: readonly Endpoint[], client: { protocol: Protocol; ip: string }): Endpoint {
    const draw = (): Endpoint => backends[this.random.int(backends.length)] as Endpoint;
    if (!rule.affinitySeconds) return draw();
    const now = this.clock.monotonic();
    const affinity = this.affinityOf(`${client.protocol} ${rule.service}`, now);
    const remembered = affinity.get(client.ip);
    const backend = remembered && remembered.expiresAt > now && includes(backends, remembered.backend) ? remembered.backend : draw();
    affinity.set(client.ip, { backend, expiresAt: now + rule.affinitySeconds * 1000 });
    return backend;
  }

  private affinityOf(key: string, now: number): Affinity {
    let affinity = this.affinities.get(key);
    if (!affinity) this.affinities.set(key, (affinity = new Map()));
    if (affinity.size > sweepAbove) for (const [ip, { expiresAt }] of affinity) if (expiresAt <= now) affinity.delete(ip);
    return affinity;
  }
}
