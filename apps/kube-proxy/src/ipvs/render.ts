import { hostPort } from '../linux/back-end.ts';
import { type Endpoint, type Routing, externalDecision, internalDecision } from '../model/endpoints.ts';
import { type Family, type Protocol, type ServicePort, familyOf } from '../model/service-port.ts';

/** One virtual server of the kernel with its endpoints. */
export interface VirtualServer {
  readonly protocol: Protocol;
  readonly ip: string;
  readonly port: number;
  /** Seconds that a client stays with its endpoint; 0: none. */
  readonly persistence: number;
  /** As read from the kernel; what is rendered gets the one that is set for all. */
  readonly scheduler?: string;
  /** `ip:port` of each. */
  readonly endpoints: readonly string[];
}

/** What one service asks of the kernel. */
export interface Piece {
  readonly servers: readonly VirtualServer[];
  /** Addresses of the dummy device. */
  readonly addresses: readonly string[];
  /** `SET MEMBER`, in the text of `ipset`. */
  readonly members: readonly string[];
  /** What is refused or dropped for want of endpoints: rules of the filter table. */
  readonly filters: readonly { readonly chain: string; readonly rule: string }[];
}

/** Upstream's sets; those of IPv6 begin with `KUBE-6-`. */
export const ipSets: Readonly<Record<string, string>> = {
  'LOOP-BACK': 'hash:ip,port,ip',
  'CLUSTER-IP': 'hash:ip,port',
  'EXTERNAL-IP': 'hash:ip,port',
  'LOAD-BALANCER': 'hash:ip,port',
  'LOAD-BALANCER-FW': 'hash:ip,port',
  'LOAD-BALANCER-SOURCE-CIDR': 'hash:ip,port,net',
  'NODE-PORT-TCP': 'bitmap:port',
  'NODE-PORT-UDP': 'bitmap:port',
  'NODE-PORT-SCTP-HASH': 'hash:ip,port',
  'HEALTH-CHECK-NODE-PORT': 'bitmap:port',
  'IPVS-IPS': 'hash:ip',
  'IPVS-SERVICES': 'hash:ip,port',
};

/** The longest name the kernel takes; upstream cuts names there, too. */
const maxSetName = 31;

export function setName(family: 4 | 6, name: string): string {
  return (family === 6 ? `KUBE-6-${name}` : `KUBE-${name}`).slice(0, maxSetName);
}

export const flags: Readonly<Record<Protocol, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };

export interface PieceContext {
  readonly node: { readonly name: string };
  /** Addresses on which node ports answer. */
  readonly nodeIps: readonly string[];
  /** By family: matches what does not come from pods of the cluster; empty where that cannot be told. */
  readonly notFromPods: Partial<Record<Family, string>>;
}

const words = (endpoints: readonly Endpoint[]): string[] => endpoints.map(hostPort);

const destination = ({ protocol }: ServicePort, ip: string, port: number): string => `-m ${protocol.toLowerCase()} -p ${protocol.toLowerCase()} -d ${ip} --dport ${port}`;

/**
 * A virtual server has one list of endpoints for whoever comes, so an external policy Local binds clients inside the cluster, too.
 * Where it leaves none on this node, those inside get all there are, as upstream has it, and what is from outside is dropped.
 */
export function renderPiece(routings: readonly Routing[], { node, nodeIps, notFromPods }: PieceContext): Piece {
  const servers: VirtualServer[] = [];
  const addresses: string[] = [];
  const members: string[] = [];
  const filters: { chain: string; rule: string }[] = [];
  for (const routing of routings) {
    const { port, cluster } = routing;
    const { protocol, family } = port;
    const add = (set: string, member: string): void => void members.push(`${setName(family, set)} ${member}`);
    const member = (ip: string, number = port.port): string => `${ip},${protocol.toLowerCase()}:${number}`;
    const serve = (ip: string, number: number, endpoints: readonly Endpoint[]): void => void servers.push({ protocol, ip, port: number, persistence: port.affinitySeconds, endpoints: words(endpoints) });
    const internal = internalDecision(routing, node);
    const external = externalDecision(routing, node);
    const drop = (ip: string, number: number, who: string): void => {
      // What comes in is seen on its way to the dummy device; what this node sends, the kernel has refused before.
      filters.push({ chain: 'KUBE-EXTERNAL-SERVICES', rule: `-m comment --comment "${port.name} has no local endpoints" ${who ? `${who} ` : ''}${destination(port, ip, number)} -j DROP` });
    };
    const outside = (ip: string, number: number): void => {
      serve(ip, number, external.backends.length ? external.backends : cluster);
      if (!external.backends.length && external.whenEmpty === 'drop') drop(ip, number, notFromPods[family] ?? '');
    };
    addresses.push(port.clusterIp, ...port.externalIps, ...port.loadBalancerIps);
    serve(port.clusterIp, port.port, internal.backends);
    add('CLUSTER-IP', member(port.clusterIp));
    if (!internal.backends.length && internal.whenEmpty === 'drop') drop(port.clusterIp, port.port, '');
    for (const ip of [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps]) {
      add('IPVS-IPS', ip);
      add('IPVS-SERVICES', member(ip));
    }
    for (const ip of [...port.externalIps, ...port.loadBalancerIps]) outside(ip, port.port);
    if (!port.externalLocal) for (const ip of port.externalIps) add('EXTERNAL-IP', member(ip));
    for (const ip of port.loadBalancerIps) {
      if (!port.externalLocal) add('LOAD-BALANCER', member(ip));
      if (port.sourceRanges.length) add('LOAD-BALANCER-FW', member(ip));
      for (const range of port.sourceRanges) add('LOAD-BALANCER-SOURCE-CIDR', `${member(ip)},${range}`);
    }
    if (port.nodePort) {
      const own = nodeIps.filter((at) => familyOf(at) === family);
      for (const ip of own) outside(ip, port.nodePort);
      if (!port.externalLocal && protocol === 'SCTP') for (const ip of own) add('NODE-PORT-SCTP-HASH', member(ip, port.nodePort));
      else if (!port.externalLocal) add(`NODE-PORT-${protocol}`, String(port.nodePort));
    }
    if (port.healthCheckNodePort) add('HEALTH-CHECK-NODE-PORT', String(port.healthCheckNodePort));
    for (const e of routing.reachable) if (e.nodeName === node.name) add('LOOP-BACK', `${e.ip},${protocol.toLowerCase()}:${e.port},${e.ip}`);
  }
  return { servers, addresses: [...new Set(addresses)], members: [...new Set(members)], filters };
}

/** `-t 10.0.0.1:80`, as ipvsadm names a virtual server. */
export const serverWords = ({ protocol, ip, port }: Pick<VirtualServer, 'protocol' | 'ip' | 'port'>): string => `${flags[protocol]} ${hostPort({ ip, port })}`;

export interface ServerLines {
  readonly lines: readonly string[];
  /** `SERVER -r ENDPOINT` of those that get nothing new from now on. */
  readonly draining: readonly string[];
  /** Of those that drained and are wanted again. */
  readonly back: readonly string[];
}

/**
 * Lines of `ipvsadm --restore`. Endpoints of connections that are gone get the weight 0: what is open may end, nothing new comes.
 * `drain` names those that have it already.
 */
export function renderServers(before: Iterable<VirtualServer>, after: Iterable<VirtualServer>, options: { scheduler: string; drain: ReadonlySet<string> }): ServerLines {
  const { scheduler, drain } = options;
  const lines: string[] = [];
  const draining: string[] = [];
  const back: string[] = [];
  const old = new Map([...before].map((server) => [serverWords(server), server]));
  const wanted = new Map([...after].map((server) => [serverWords(server), server]));
  for (const at of old.keys()) if (!wanted.has(at)) lines.push(`-D ${at}`);
  for (const [at, server] of wanted) {
    const known = old.get(at);
    const persistence = server.persistence ? ` -p ${server.persistence}` : '';
    if (!known || known.persistence !== server.persistence || (known.scheduler ?? scheduler) !== scheduler) lines.push(`${known ? '-E' : '-A'} ${at} -s ${scheduler}${persistence}`);
    const has = new Set(known?.endpoints);
    const wants = new Set(server.endpoints);
    for (const endpoint of wants) {
      if (has.has(endpoint)) continue;
      const words = `${at} -r ${endpoint}`;
      if (drain.has(words)) back.push(words);
      lines.push(`${drain.has(words) ? '-e' : '-a'} ${words} -m -w 1`);
    }
    for (const endpoint of has) {
      if (wants.has(endpoint)) continue;
      if (server.protocol === 'UDP') lines.push(`-d ${at} -r ${endpoint}`);
      else {
        lines.push(`-e ${at} -r ${endpoint} -m -w 0`);
        draining.push(`${at} -r ${endpoint}`);
      }
    }
  }
  return { lines, draining, back };
}

const protocols: Readonly<Record<string, Protocol>> = { '-t': 'TCP', '-u': 'UDP', '--sctp-service': 'SCTP' };

/** Reads what `ipvsadm -S -n` prints: servers with endpoints that take connections, and `SERVER -r ENDPOINT` of those that drain. */
export function parseServers(text: string): { servers: VirtualServer[]; draining: string[] } {
  const servers = new Map<string, VirtualServer & { endpoints: string[] }>();
  const draining: string[] = [];
  for (const line of text.split('\n')) {
    const server = /^-A (-t|-u|--sctp-service) \[?([^\]\s]+?)\]?:(\d+) -s (\S+)(?: -p (\d+))?/.exec(line);
    if (server) {
      const [, flag = '', ip = '', port = '', scheduler = '', persistence = '0'] = server;
      servers.set(`${flag} ${hostPort({ ip, port: Number(port) })}`, { protocol: protocols[flag] ?? 'TCP', ip, port: Number(port), scheduler, persistence: Number(persistence), endpoints: [] });
    }
    const [, at = '', endpoint = '', weight = ''] = /^-a (\S+ \S+) -r (\S+) .*-w (\d+)/.exec(line) ?? [];
    if (weight === '0') draining.push(`${at} -r ${endpoint}`);
    else if (at) servers.get(at)?.endpoints.push(endpoint);
  }
  return { servers: [...servers.values()], draining };
}

/** Lines of `ipset restore -exist` that end the sets, whether or not they are there. */
export function renderNoSets(family: Family): string[] {
  return Object.entries(ipSets).flatMap(([name, type]) => [createSet(setName(family, name), type, family), `destroy ${setName(family, name)}`]);
}

const createSet = (name: string, type: string, family: Family): string => `create ${name} ${type} ${type === 'bitmap:port' ? 'range 0-65535' : `family ${family === 6 ? 'inet6' : 'inet'} maxelem 1048576`}`;

/** Lines of `ipset restore -exist` that make the sets hold these members and no others: made beside the old ones and swapped in. */
export function renderSets(family: Family, members: Iterable<string>): string[] {
  const bySet = Map.groupBy(members, (member) => member.slice(0, member.indexOf(' ')));
  return Object.entries(ipSets).flatMap(([name, type], index) => {
    const set = setName(family, name);
    const next = `KUBE-NEXT-${family}-${index}`;
    const lines = (bySet.get(set) ?? []).map((member) => `add ${next} ${member.slice(set.length + 1)}`);
    return [createSet(set, type, family), createSet(next, type, family), `flush ${next}`, ...lines, `swap ${next} ${set}`, `destroy ${next}`];
  });
}
