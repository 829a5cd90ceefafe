import { formatIp, parseIp } from '@orrery/vnet';
import { type Hash, type LocalDetector, hashText, hostPort } from '../linux/back-end.ts';
import { type Endpoint, type Routing, externalDecision, internalDecision } from '../model/endpoints.ts';
import { type ServicePort, externallyAccessible } from '../model/service-port.ts';

export type Table = 'nat' | 'filter';

/** A rule in one of the chains that all services share. */
export interface SharedRule {
  readonly table: Table;
  readonly chain: string;
  /** Without `-A CHAIN`. */
  readonly rule: string;
  /** The chain holds what goes to these addresses alone, and KUBE-SERVICES leads there. */
  readonly range?: string;
}

/** What one service adds to the tables; its own chains are all in `nat`. */
export interface Piece {
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly shared: readonly SharedRule[];
}

export interface PieceContext {
  readonly hash: Hash;
  readonly node: { readonly name: string };
  readonly local: LocalDetector | undefined;
  readonly masqueradeAll: boolean;
  /**
   * Fewest rules, as each that services lead to makes every change dearer: no comments, as upstream has it beyond 1,000 endpoints, and no chains of endpoints where affinity needs none (such an
   * endpoint that reaches itself is known by `hairpinRule`); KUBE-SERVICES by ranges of 256 addresses.
   */
  readonly compact?: boolean;
}

const hashLength = 16;

interface Names {
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
  readonly endpoint: (endpoint: Endpoint) => string;
}

export function chainNames({ name, protocol }: ServicePort, hash: Hash): Names {
  const seed = `${name}${protocol.toLowerCase()}`;
  const text = hashText(hash(seed), hashLength);
  return {
    cluster: `KUBE-SVC-${text}`,
    local: `KUBE-SVL-${text}`,
    external: `KUBE-EXT-${text}`,
    firewall: `KUBE-FW-${text}`,
    endpoint: (endpoint) => `KUBE-SEP-${hashText(hash(seed + hostPort(endpoint)), hashLength)}`,
  };
}

function fromPods(local: LocalDetector, not: boolean): string {
  const operator = not ? '! ' : '';
  if ('cidr' in local) return `${operator}-s ${local.cidr}`;
  return `${operator}-i ${'interface' in local ? local.interface : `${local.interfacePrefix}+`}`;
}

const comment = (text: string): string => `-m comment --comment "${text}"`;
const withoutComment = (rule: string): string => rule.replace(/-m comment --comment "[^"]*" ?/, '');

function endpointChain(endpoint: Endpoint, { port, names }: { port: ServicePort; names: Names }): string[] {
  const protocol = port.protocol.toLowerCase();
  const sticky = port.affinitySeconds ? `-m recent --name ${names.endpoint(endpoint)} --set ` : '';
  return [`${comment(port.name)} -s ${endpoint.ip} -j KUBE-MARK-MASQ`, `${comment(port.name)} ${sticky}-m ${protocol} -p ${protocol} -j DNAT --to-destination ${hostPort(endpoint)}`];
}

const hasEndpointChains = (port: ServicePort, { compact }: PieceContext): boolean => !compact || port.affinitySeconds > 0;

function balance(endpoints: readonly Endpoint[], { port, names, context }: { port: ServicePort; names: Names; context: PieceContext }): string[] {
  const protocol = port.protocol.toLowerCase();
  const target = (e: Endpoint): string => (hasEndpointChains(port, context) ? `-j ${names.endpoint(e)}` : `-p ${protocol} -j DNAT --to-destination ${hostPort(e)}`);
  const sticky = port.affinitySeconds
    ? endpoints.map((e) => `${comment(port.name)} -m recent --name ${names.endpoint(e)} --rcheck --seconds ${port.affinitySeconds} --reap -j ${names.endpoint(e)}`)
    : [];
  const picks = endpoints.map((e, i) => {
    const left = endpoints.length - i;
    const chance = left > 1 ? ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}` : '';
    return `${comment(`${port.name} -> ${hostPort(e)}`)}${chance} ${target(e)}`;
  });
  return [...sticky, ...picks];
}

function masquerade(port: ServicePort, { local, masqueradeAll, compact }: PieceContext): string[] {
  // Nothing else leads to a chain of cluster addresses alone.
  const to = compact && !externallyAccessible(port) ? '' : `${destination(port, port.clusterIp)} `;
  const match = `${comment(`${port.name} cluster IP`)} ${to}`;
  if (masqueradeAll) return [`${match}-j KUBE-MARK-MASQ`];
  return local ? [`${match}${fromPods(local, true)} -j KUBE-MARK-MASQ`] : [];
}

/** Matches packets to an address of the port; without an address, to its node port. */
function destination({ protocol, port, nodePort }: ServicePort, ip: string): string {
  const name = protocol.toLowerCase();
  return ip ? `-m ${name} -p ${name} -d ${ip} --dport ${port}` : `-m ${name} -p ${name} --dport ${nodePort}`;
}

function externalChain({ port, cluster, local }: Routing, names: Names, context: PieceContext): string[] {
  const about = (what: string): string => comment(`${what} ${port.name} external destinations`);
  if (!port.externalLocal) return [`${about('masquerade traffic for')} -j KUBE-MARK-MASQ`, `-j ${names.cluster}`];
  const shortCut = cluster.length
    ? [
        ...(context.local ? [`${about('pod traffic for')} ${fromPods(context.local, false)} -j ${names.cluster}`] : []),
        `${about('masquerade LOCAL traffic for')} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
        `${about('route LOCAL traffic for')} -m addrtype --src-type LOCAL -j ${names.cluster}`,
      ]
    : [];
  return [...shortCut, ...(local.length ? [`-j ${names.local}`] : [])];
}

/** Who may use the load balancer; what falls through is dropped by KUBE-PROXY-FIREWALL, before it is translated. */
function firewallChain(port: ServicePort, ip: string, names: Names): string[] {
  const about = comment(`${port.name} loadbalancer IP`);
  return [
    ...port.sourceRanges.map((range) => `${about} -s ${range} -j ${names.external}`),
    // A node that opens connections to the address of its own balancer has that address.
    `${about} -s ${ip} -j ${names.external}`,
    comment(`other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`),
  ];
}

/** The part of KUBE-SERVICES for an address; small parts are quick to change, and to walk. */
function servicesChain(ip: string, { hash, compact }: PieceContext): { chain: string; range?: string } {
  const parsed = compact ? parseIp(ip) : undefined;
  if (!parsed) return { chain: 'KUBE-SERVICES' };
  const range = `${formatIp({ ...parsed, value: (parsed.value >> 8n) << 8n })}/${parsed.family === 4 ? 24 : 120}`;
  return { chain: `KUBE-NET-${hashText(hash(range), hashLength)}`, range };
}

function sharedRules(routing: Routing, names: Names, context: PieceContext): SharedRule[] {
  const { port, reachable, hasAny } = routing;
  const rules: SharedRule[] = [];
  const add = (table: Table, chain: string, rule: string): void => void rules.push({ table, chain, rule });
  const toAddress = (ip: string, rule: string): void => void rules.push({ table: 'nat', ...servicesChain(ip, context), rule });
  const internal = internalDecision(routing, context.node);
  const external = externalDecision(routing, context.node);
  const verdict = (decision: typeof internal): string => `-j ${decision.whenEmpty === 'drop' ? 'DROP' : 'REJECT'}`;
  const reason = comment(`${port.name} ${hasAny ? 'has no local endpoints' : 'has no endpoints'}`);
  const inner = port.internalLocal ? names.local : names.cluster;
  if (internal.backends.length) toAddress(port.clusterIp, `${comment(`${port.name} cluster IP`)} ${destination(port, port.clusterIp)} -j ${inner}`);
  else add('filter', 'KUBE-SERVICES', `${reason} ${destination(port, port.clusterIp)} ${verdict(internal)}`);
  const outside = (ip: string, what: string, chain: string): void => {
    if (reachable.length) toAddress(ip, `${comment(`${port.name} ${what}`)} ${destination(port, ip)} -j ${chain}`);
    if (!external.backends.length) add('filter', 'KUBE-EXTERNAL-SERVICES', `${reason} ${destination(port, ip)} ${verdict(external)}`);
  };
  for (const ip of port.externalIps) outside(ip, 'external IP', names.external);
  for (const ip of port.loadBalancerIps) {
    outside(ip, 'loadbalancer IP', port.sourceRanges.length ? names.firewall : names.external);
    if (port.sourceRanges.length) add('filter', 'KUBE-PROXY-FIREWALL', `${comment(`${port.name} traffic not accepted by ${names.firewall}`)} ${destination(port, ip)} -j DROP`);
  }
  if (port.nodePort) {
    if (reachable.length) add('nat', 'KUBE-NODEPORTS', `${comment(port.name)} ${destination(port, '')} -j ${names.external}`);
    if (!external.backends.length) add('filter', 'KUBE-EXTERNAL-SERVICES', `${reason} -m addrtype --dst-type LOCAL ${destination(port, '')} ${verdict(external)}`);
  }
  if (port.healthCheckNodePort) {
    add('filter', 'KUBE-NODEPORTS', `${comment(`${port.name} health check node port`)} -m tcp -p tcp --dport ${port.healthCheckNodePort} -j ACCEPT`);
  }
  return rules;
}

/** What the ports of one service (of one family) add, chains named as upstream names them. */
export function renderPiece(routings: readonly Routing[], context: PieceContext): Piece {
  const chains = new Map<string, readonly string[]>();
  const shared: SharedRule[] = [];
  for (const routing of routings) {
    const { port, cluster, local, reachable } = routing;
    const names = chainNames(port, context.hash);
    if (hasEndpointChains(port, context)) for (const endpoint of reachable) chains.set(names.endpoint(endpoint), endpointChain(endpoint, { port, names }));
    if (cluster.length) chains.set(names.cluster, [...masquerade(port, context), ...balance(cluster, { port, names, context })]);
    if (local.length) chains.set(names.local, [...masquerade(port, context), ...balance(local, { port, names, context })]);
    if (reachable.length && externallyAccessible(port)) chains.set(names.external, externalChain(routing, names, context));
    if (reachable.length && port.loadBalancerIps.length && port.sourceRanges.length) {
      chains.set(names.firewall, port.loadBalancerIps.flatMap((ip) => firewallChain(port, ip, names)));
    }
    shared.push(...sharedRules(routing, names, context));
  }
  if (!context.compact) return { chains, shared };
  const all = ([name, rules]: [string, readonly string[]]): [string, string[]] => [name, rules.map(withoutComment).filter((rule) => rule !== '')];
  return { chains: new Map([...chains].map(all)), shared: shared.map((one) => ({ ...one, rule: withoutComment(one.rule) })) };
}
