import type { Clock, Random } from '@orrery/runtime';
import { normalizeIp } from './address.ts';
import type { Endpoint } from './net.ts';
import type { ServiceRule } from './rules.ts';

export type Protocol = 'TCP' | 'UDP';

/** Where a packet for a service goes; `unmatched` when the address is no service's. */
export type Resolution = { readonly to: Endpoint; readonly rule: string } | 'refuse' | 'drop' | 'unmatched';

interface Entry {
  readonly rule: ServiceRule;
  /** Client address to its backend; made at the first use. */
  affinity: Map<string, { backend: Endpoint; expiresAt: number }> | undefined;
}

function addressKey(protocol: Protocol, ip: string, port: number): string {
  return `${protocol}/${normalizeIp(ip)}/${port}`;
}

function nodePortKey(protocol: Protocol, port: number): string {
  return `${protocol}/*/${port}`;
}

function ruleKey({ match }: ServiceRule): string {
  return 'nodePort' in match ? nodePortKey(match.protocol, match.nodePort) : addressKey(match.protocol, match.ip, match.port);
}

function hasBackend(rule: ServiceRule, { ip, port }: Endpoint): boolean {
  return rule.backends.some((backend) => backend.port === port && backend.ip === ip);
}

/** The rules of one switch, as kube-proxy's chains: match, pick a backend, remember the client's when asked to. */
export class ServiceTable {
  private readonly clock: Clock;
  private readonly random: Random;
  private entries = new Map<string, Entry>();

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** Replaces all rules; affinities to backends that are still there live on. */
  replace(rules: readonly ServiceRule[]): void {
    const next = new Map<string, Entry>();
    for (const rule of rules) {
      const key = ruleKey(rule);
      next.set(key, { rule, affinity: rule.affinitySeconds ? this.entries.get(key)?.affinity : undefined });
    }
    this.entries = next;
  }

  get size(): number {
    return this.entries.size;
  }

  /** `nodeAddress`: the destination is one of this node's own addresses, so node ports apply. */
  resolve(protocol: Protocol, to: Endpoint, client: { ip: string; nodeAddress: boolean }): Resolution {
    const entry =
      this.entries.get(addressKey(protocol, to.ip, to.port)) ?? (client.nodeAddress ? this.entries.get(nodePortKey(protocol, to.port)) : undefined);
    if (!entry) return 'unmatched';
    const { rule } = entry;
    if (!rule.backends.length) return rule.whenEmpty;
    return { to: this.pick(entry, client.ip), rule: rule.service };
  }

  /** Whether a flow that was sent to `backend` may go on doing so. */
  stillValid(protocol: Protocol, to: Endpoint, backend: Endpoint): boolean {
    const entry = this.entries.get(addressKey(protocol, to.ip, to.port)) ?? this.entries.get(nodePortKey(protocol, to.port));
    return !!entry && hasBackend(entry.rule, backend);
  }

  private pick(entry: Entry, clientIp: string): Endpoint {
    const { rule } = entry;
    const now = this.clock.monotonic();
    const remembered = rule.affinitySeconds ? entry.affinity?.get(clientIp) : undefined;
    let backend = remembered && remembered.expiresAt > now && hasBackend(rule, remembered.backend) ? remembered.backend : undefined;
    backend ??= rule.backends[this.random.int(rule.backends.length)] as Endpoint;
    if (rule.affinitySeconds) {
      entry.affinity ??= new Map();
      entry.affinity.set(clientIp, { backend, expiresAt: now + rule.affinitySeconds * 1000 });
    }
    return backend;
  }
}
