import type { Routing } from '../model/endpoints.ts';
import { type Endpoint, externalDecision, internalDecision } from '../model/endpoints.ts';
import type { ServicePort } from '../model/service-port.ts';
import { externallyAccessible } from '../model/service-port.ts';
import { type Hash, type LocalDetector, hashText } from '../linux/back-end.ts';

/** One element of a map or set. */
export interface Element {
  readonly set: string;
  readonly key: string;
  /** Empty for a set. */
  readonly value: string;
  readonly comment?: string;
}

/** What one service puts into the table. */
export interface Piece {
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly elements: readonly Element[];
  /** Seconds by the name of a set of clients with an affinity. */
  readonly affinities: ReadonlyMap<string, number>;
  /** Elements of `hairpin-ips`, which several services may ask for. */
  readonly hairpins: readonly string[];
}

export interface PieceContext {
  readonly hash: Hash;
  readonly node: { readonly name: string };
  readonly local: LocalDetector | undefined;
  readonly masqueradeAll: boolean;
}

const hashLength = 8;
/** Longest name the kernel takes, less the longest prefix. */
const maxBase = 240 - 'endpoint-'.length;

function baseName(hash: Hash, name: string): string {
  const full = `${hashText(hash(name), hashLength)}-${name}`;
  return full.length > maxBase ? `${full.slice(0, maxBase - 3)}...` : full;
}

/** `ip saddr` of traffic of the cluster's pods, or its opposite. */
export function fromPods(local: LocalDetector, ipX: string, not: boolean): string {
  const operator = not ? '!= ' : '';
  if ('cidr' in local) return `${ipX} saddr ${operator}${local.cidr}`;
  return `iifname ${operator}${'interface' in local ? JSON.stringify(local.interface) : `"${local.interfacePrefix}*"`}`;
}

interface Names {
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
  readonly endpoint: (endpoint: Endpoint) => string;
  readonly affinity: (endpoint: Endpoint) => string;
}

function namesOf(port: ServicePort, hash: Hash): Names {
  const path = `${port.namespace}/${port.service}/${port.protocol.toLowerCase()}/${port.portName}`;
  const base = baseName(hash, path);
  const endpointBase = ({ ip, port: number }: Endpoint): string => baseName(hash, `${path}__${ip.replaceAll(':', '.')}/${number}`);
  return {
    cluster: `service-${base}`,
    local: `local-${base}`,
    external: `external-${base}`,
    firewall: `firewall-${base}`,
    endpoint: (endpoint) => `endpoint-${endpointBase(endpoint)}`,
    affinity: (endpoint) => `affinity-${endpointBase(endpoint)}`,
  };
}

interface ChainContext {
  readonly port: ServicePort;
  readonly names: Names;
  readonly ipX: string;
  /** Endpoints have chains of their own. */
  readonly chained: boolean;
}

function translation({ ip, port: number }: Endpoint, { port }: ChainContext): string {
  return `meta l4proto ${port.protocol.toLowerCase()} dnat to ${ip.includes(':') ? `[${ip}]` : ip}:${number}`;
}

function endpointChain(endpoint: Endpoint, context: ChainContext): readonly string[] {
  const { port, names, ipX } = context;
  return [...(port.affinitySeconds ? [`update @${names.affinity(endpoint)} { ${ipX} saddr }`] : []), translation(endpoint, context)];
}

/**
 * Above this many endpoints a map is quicker for packets. Below, rules are: the kernel finds the name of every unnamed map by walking
 * all that there are, which made ten thousand services take a minute.
 */
const mapAbove = 16;

/**
 * Upstream gives every service and every endpoint a chain. Where maps can do it they do it here: nft reads the names of all chains
 * before it adds anything, which at ten thousand services was most of the time that a change took.
 */
const needsChains = (port: ServicePort, endpoints: readonly Endpoint[]): boolean => port.affinitySeconds > 0 || endpoints.length > mapAbove;

/** Nothing but the cluster IP leads to its endpoints: a draw that all services of so many endpoints share. */
function isPlain({ port, cluster, reachable }: Routing, masqueradeAll: boolean): boolean {
  return cluster.length > 0 && cluster.length === reachable.length && !masqueradeAll && !port.internalLocal && !externallyAccessible(port) && !needsChains(port, cluster);
}

/** How many endpoints a plain service may have; there is a map and a chain for each number. */
export const mostPlainEndpoints = mapAbove;

/** Of the map and of the chain that draw among so many endpoints. */
export const plainNames = (count: number): { map: string; chain: string } => ({ map: `endpoints-of-${count}`, chain: `draw-of-${count}` });

function plainElements({ port, cluster }: Routing): Element[] {
  const { map, chain } = plainNames(cluster.length);
  const key = `${port.clusterIp} . ${port.protocol.toLowerCase()} . ${port.port}`;
  return [
    { set: 'cluster-ips', key: port.clusterIp, value: '' },
    { set: 'service-ips', key, value: `goto ${chain}` },
    ...cluster.map((e, i) => ({ set: map, key: `${key} . ${i}`, value: `${e.ip} . ${e.port}` })),
  ];
}

/** Goes to one of the endpoints, each as likely. */
function draw(endpoints: readonly Endpoint[], context: ChainContext): string[] {
  const ways = endpoints.map((e) => (context.chained ? `goto ${context.names.endpoint(e)}` : translation(e, context)));
  if (ways.length > mapAbove) return [`numgen random mod ${ways.length} vmap { ${ways.map((way, i) => `${i} : ${way}`).join(', ')} }`];
  return ways.map((way, i) => {
    const left = ways.length - i;
    return left > 1 ? `numgen random mod ${left} 0 ${way}` : way;
  });
}

function balance(endpoints: readonly Endpoint[], context: ChainContext): string[] {
  const { port, names, ipX } = context;
  const sticky = port.affinitySeconds ? endpoints.map((e) => `${ipX} saddr @${names.affinity(e)} goto ${names.endpoint(e)}`) : [];
  return [...sticky, ...draw(endpoints, context)];
}

function externalChain({ port, cluster, local }: Routing, names: Names, context: PieceContext & { ipX: string }): string[] {
  const { ipX } = context;
  if (!port.externalLocal) return ['jump mark-for-masquerade', `goto ${names.cluster}`];
  const shortCut = cluster.length
    ? [
        ...(context.local ? [`${fromPods(context.local, ipX, false)} goto ${names.cluster} comment "short-circuit pod traffic"`] : []),
        'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
        `fib saddr type local goto ${names.cluster} comment "short-circuit local traffic"`,
      ]
    : [];
  return [...shortCut, ...(local.length ? [`goto ${names.local}`] : [])];
}

/** What sends clients of the cluster from outside through the node, so that answers come back. */
function clusterMasquerade(port: ServicePort, { local, masqueradeAll, ipX }: PieceContext & { ipX: string }): string[] {
  const protocol = port.protocol.toLowerCase();
  const match = `${ipX} daddr ${port.clusterIp} ${protocol} dport ${port.port}`;
  if (masqueradeAll) return [`${match} jump mark-for-masquerade`];
  return local ? [`${match} ${fromPods(local, ipX, true)} jump mark-for-masquerade`] : [];
}

/** Elements for one kind of address: the way on, or what happens without endpoints. */
function entry(options: { ip: string; port: ServicePort; number: number; chain: string | undefined; refuse: 'refuse' | 'drop' | undefined }): Element[] {
  const { ip, port, number, chain, refuse } = options;
  const key = `${ip ? `${ip} . ` : ''}${port.protocol.toLowerCase()} . ${number}`;
  const verdict = refuse === 'drop' ? 'drop' : 'goto reject-chain';
  return [
    ...(chain ? [{ set: ip ? 'service-ips' : 'service-nodeports', key, value: `goto ${chain}` }] : []),
    ...(refuse ? [{ set: ip ? 'no-endpoint-services' : 'no-endpoint-nodeports', key, value: verdict, comment: port.name }] : []),
  ];
}

function addElements(elements: Element[], routing: Routing, options: { names: Names; context: PieceContext }): void {
  const { port, reachable } = routing;
  const { names, context } = options;
  const internal = internalDecision(routing, context.node);
  const external = externalDecision(routing, context.node);
  const none = (decision: typeof internal): 'refuse' | 'drop' | undefined => (decision.backends.length ? undefined : decision.whenEmpty);
  const outside = { port, number: port.port, chain: reachable.length ? names.external : undefined, refuse: none(external) };
  elements.push({ set: 'cluster-ips', key: port.clusterIp, value: '' });
  const inner = port.internalLocal ? names.local : names.cluster;
  elements.push(...entry({ ip: port.clusterIp, port, number: port.port, chain: internal.backends.length ? inner : undefined, refuse: none(internal) }));
  for (const ip of port.externalIps) elements.push(...entry({ ip, ...outside }));
  for (const ip of port.loadBalancerIps) {
    elements.push(...entry({ ip, ...outside }));
    if (port.sourceRanges.length) elements.push({ set: 'firewall-ips', key: `${ip} . ${port.protocol.toLowerCase()} . ${port.port}`, value: `goto ${names.firewall}`, comment: port.name });
  }
  if (port.nodePort) elements.push(...entry({ ip: '', ...outside, number: port.nodePort }));
}

/** What the ports of one service (of one family) put into the table, chains named as upstream names them. */
export function renderPiece(routings: readonly Routing[], context: PieceContext): Piece {
  const chains = new Map<string, readonly string[]>();
  const affinities = new Map<string, number>();
  const elements: Element[] = [];
  const hairpins = new Set<string>();
  for (const routing of routings) {
    const { port, cluster, local, reachable } = routing;
    const ipX = port.family === 6 ? 'ip6' : 'ip';
    const names = namesOf(port, context.hash);
    // Whose clients may be here; of those elsewhere their own node sees to it.
    for (const e of reachable) if (!e.nodeName || e.nodeName === context.node.name) hairpins.add(`${e.ip} . ${e.ip}`);
    if (isPlain(routing, context.masqueradeAll)) {
      elements.push(...plainElements(routing));
      continue;
    }
    const chain = { port, names, ipX, chained: needsChains(port, reachable) };
    for (const endpoint of reachable) {
      if (chain.chained) chains.set(names.endpoint(endpoint), endpointChain(endpoint, chain));
      if (port.affinitySeconds) affinities.set(names.affinity(endpoint), port.affinitySeconds);
    }
    const masquerade = clusterMasquerade(port, { ...context, ipX });
    if (cluster.length) chains.set(names.cluster, [...masquerade, ...balance(cluster, chain)]);
    if (local.length) chains.set(names.local, [...masquerade, ...balance(local, chain)]);
    if (reachable.length && externallyAccessible(port)) chains.set(names.external, externalChain(routing, names, { ...context, ipX }));
    if (port.loadBalancerIps.length && port.sourceRanges.length) chains.set(names.firewall, [...port.sourceRanges.map((range) => `${ipX} saddr ${range} return`), 'drop']);
    addElements(elements, routing, { names, context });
  }
  return { chains, elements, affinities, hairpins: [...hairpins] };
}
