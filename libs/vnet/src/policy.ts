import type { Clock } from '@orrery/runtime';
import { type Cidr, cidrContains, normalizeIp, parseCidr, parseIp } from './address.ts';
import type { Endpoint } from './net.ts';

export type PolicyProtocol = 'TCP' | 'UDP' | 'SCTP';

/** Who is at the other end: any of these addresses, or of this range outside the exceptions. */
export type TrafficPeer = { readonly ips: readonly string[] } | { readonly cidr: string; readonly except: readonly string[] };

/** One rule of a NetworkPolicy with selectors and port names resolved. */
export interface TrafficRule {
  /** Absent: everybody. */
  readonly peers?: readonly TrafficPeer[];
  /** Absent: all ports of all protocols. `from` and `to` are inclusive. */
  readonly ports?: readonly { readonly protocol: PolicyProtocol; readonly from: number; readonly to: number }[];
}

/** What policies select a pod, as indices of `rules`. Absent: not isolated in that direction. Empty: nothing may pass. */
export interface PodPolicy {
  readonly ips: readonly string[];
  readonly ingress?: readonly number[];
  readonly egress?: readonly number[];
}

/** The policies of a node: rules are named by index, since many pods share them. */
export interface PolicySet {
  readonly rules: readonly TrafficRule[];
  readonly pods: readonly PodPolicy[];
}

export interface Packet {
  readonly protocol: PolicyProtocol;
  readonly source: Endpoint;
  readonly to: Endpoint;
}

interface CompiledRule {
  readonly ips: ReadonlySet<string>;
  readonly ranges: readonly { readonly cidr: Cidr; readonly except: readonly Cidr[] }[];
  readonly everybody: boolean;
  readonly ports: TrafficRule['ports'];
}

function compile({ peers, ports }: TrafficRule): CompiledRule {
  const ips = new Set<string>();
  const ranges: { cidr: Cidr; except: Cidr[] }[] = [];
  for (const peer of peers ?? []) {
    if ('ips' in peer) for (const ip of peer.ips) ips.add(normalizeIp(ip));
    else ranges.push({ cidr: parseCidr(peer.cidr), except: peer.except.map(parseCidr) });
  }
  return { ips, ranges, everybody: !peers, ports };
}

function allows(rule: CompiledRule, peer: string, { protocol, port }: { protocol: PolicyProtocol; port: number }): boolean {
  if (rule.ports && !rule.ports.some((p) => p.protocol === protocol && port >= p.from && port <= p.to)) return false;
  if (rule.everybody || rule.ips.has(peer)) return true;
  if (!rule.ranges.length) return false;
  const ip = parseIp(peer);
  return !!ip && rule.ranges.some(({ cidr, except }) => cidrContains(cidr, ip) && !except.some((out) => cidrContains(out, ip)));
}

/** Switches of one process are told the same rules, and compile them once. */
const compiledRules = new WeakMap<readonly TrafficRule[], readonly CompiledRule[]>();

function compileAll(rules: readonly TrafficRule[]): readonly CompiledRule[] {
  let compiled = compiledRules.get(rules);
  if (!compiled) compiledRules.set(rules, (compiled = rules.map(compile)));
  return compiled;
}

/** How long the answers to an allowed datagram may come, as nf_conntrack_udp_timeout_stream. */
const answersMs = 120_000;
const sweepAbove = 512;

/**
 * Decides what may pass, with the meaning of NetworkPolicy: without a policy everything; with some, what any of them allows.
 * A pod always reaches itself.
 */
export class PolicyTable {
  private readonly clock: Clock;
  private pods = new Map<string, { ingress?: readonly CompiledRule[]; egress?: readonly CompiledRule[] }>();
  /** When answers to an allowed datagram are no longer let through, by who answers whom. */
  private readonly answers = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  replace({ rules, pods }: PolicySet): void {
    const compiled = compileAll(rules);
    const pick = (indices: readonly number[]): CompiledRule[] => indices.flatMap((i) => compiled[i] ?? []);
    this.pods = new Map();
    for (const { ips, ingress, egress } of pods) {
      const pod = { ...(ingress ? { ingress: pick(ingress) } : {}), ...(egress ? { egress: pick(egress) } : {}) };
      for (const ip of ips) this.pods.set(normalizeIp(ip), pod);
    }
  }

  /** True when no pod is isolated: nothing needs to be asked. */
  get idle(): boolean {
    return this.pods.size === 0;
  }

  egressAllowed({ protocol, source, to }: Packet): boolean {
    const rules = this.pods.get(source.ip)?.egress;
    return !rules || source.ip === to.ip || rules.some((rule) => allows(rule, to.ip, { protocol, port: to.port }));
  }

  ingressAllowed({ protocol, source, to }: Packet): boolean {
    const rules = this.pods.get(to.ip)?.ingress;
    return !rules || source.ip === to.ip || rules.some((rule) => allows(rule, source.ip, { protocol, port: to.port }));
  }

  /** Remembers a datagram that was let through, so that its answers are, too. */
  remember({ source, to }: { source: Endpoint; to: Endpoint }): void {
    const now = this.clock.monotonic();
    if (this.answers.size > sweepAbove) for (const [key, until] of this.answers) if (until <= now) this.answers.delete(key);
    this.answers.set(`${to.ip}|${to.port}|${source.ip}|${source.port}`, now + answersMs);
  }

  isAnswer({ source, to }: { source: Endpoint; to: Endpoint }): boolean {
    const until = this.answers.get(`${source.ip}|${source.port}|${to.ip}|${to.port}`);
    return until !== undefined && until > this.clock.monotonic();
  }
}
