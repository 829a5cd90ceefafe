import { hostPort } from '../linux/back-end.ts';
import { type Endpoint, type Routing, externalDecision, internalDecision } from '../model/endpoints.ts';
import type { Protocol, ServicePort } from '../model/service-port.ts';

/** One virtual server of the kernel with its endpoints. */
export interface VirtualServer {
  readonly protocol: Protocol;
  readonly ip: string;
  readonly port: number;
  /** Seconds that a client stays with its endpoint; 0: none. */
  readonly persistence: number;
  /** `ip:port` of each. */
  readonly endpoints: readonly string[];
}

/** What one service asks of the kernel. */
export interface Piece {
  readonly servers: readonly VirtualServer[];
  /** Addresses of the dummy device. */
  readonly addresses: readonly string[];
  /** Members by set, in the text of `ipset`. */
  readonly members: ReadonlyMap<string, readonly string[]>;
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
  'NODE-PORT-LOCAL-TCP': 'bitmap:port',
  'NODE-PORT-UDP': 'bitmap:port',
  'NODE-PORT-LOCAL-UDP': 'bitmap:port',
};

export function setName(family: 4 | 6, name: string): string {
  return family === 6 ? `KUBE-6-${name}` : `KUBE-${name}`;
}

export const flags: Readonly<Record<Protocol, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };

export interface PieceContext {
  readonly node: { readonly name: string };
  /** Addresses on which node ports answer. */
  readonly nodeIps: readonly string[];
}

const words = (endpoints: readonly Endpoint[]): string[] => endpoints.map(hostPort);

function verdict(port: ServicePort, ip: string, whenEmpty: 'refuse' | 'drop'): { chain: string; rule: string } {
  const name = port.protocol.toLowerCase();
  const reason = whenEmpty === 'drop' ? 'has no local endpoints' : 'has no endpoints';
  return { chain: 'KUBE-SERVICES', rule: `-m comment --comment "${port.name} ${reason}" -m ${name} -p ${name} -d ${ip} --dport ${port.port} -j ${whenEmpty === 'drop' ? 'DROP' : 'REJECT'}` };
}

/** A virtual server has one list of endpoints for whoever comes, so a Local policy binds clients of this node, too. */
export function renderPiece(routings: readonly Routing[], { node, nodeIps }: PieceContext): Piece {
  const servers: VirtualServer[] = [];
  const addresses: string[] = [];
  const members = new Map<string, string[]>();
  const filters: { chain: string; rule: string }[] = [];
  for (const routing of routings) {
    const { port } = routing;
    const { protocol, family } = port;
    const add = (set: string, member: string): void => void members.set(setName(family, set), [...(members.get(setName(family, set)) ?? []), member]);
    const member = (ip: string): string => `${ip},${protocol.toLowerCase()}:${port.port}`;
    const serve = (ip: string, number: number, endpoints: readonly Endpoint[]): void => void servers.push({ protocol, ip, port: number, persistence: port.affinitySeconds, endpoints: words(endpoints) });
    const internal = internalDecision(routing, node);
    const external = externalDecision(routing, node);
    addresses.push(port.clusterIp, ...port.externalIps, ...port.loadBalancerIps);
    serve(port.clusterIp, port.port, internal.backends);
    add('CLUSTER-IP', member(port.clusterIp));
    if (!internal.backends.length) filters.push(verdict(port, port.clusterIp, internal.whenEmpty));
    for (const ip of [...port.externalIps, ...port.loadBalancerIps]) {
      serve(ip, port.port, external.backends);
      if (!external.backends.length) filters.push(verdict(port, ip, external.whenEmpty));
    }
    if (!port.externalLocal) for (const ip of port.externalIps) add('EXTERNAL-IP', member(ip));
    for (const ip of port.loadBalancerIps) {
      if (!port.externalLocal) add('LOAD-BALANCER', member(ip));
      if (port.sourceRanges.length) add('LOAD-BALANCER-FW', member(ip));
      for (const range of port.sourceRanges) add('LOAD-BALANCER-SOURCE-CIDR', `${member(ip)},${range}`);
    }
    if (port.nodePort && protocol !== 'SCTP') {
      for (const ip of nodeIps.filter((at) => at.includes(':') === (family === 6))) serve(ip, port.nodePort, external.backends);
      add(`NODE-PORT-${port.externalLocal ? 'LOCAL-' : ''}${protocol}`, String(port.nodePort));
    }
    for (const e of routing.reachable.filter((endpoint) => endpoint.nodeName === node.name)) add('LOOP-BACK', `${e.ip},${protocol.toLowerCase()}:${e.port},${e.ip}`);
  }
  return { servers, addresses: [...new Set(addresses)], members, filters };
}

const key = ({ protocol, ip, port }: VirtualServer): string => `${flags[protocol]} ${hostPort({ ip, port })}`;

/** Lines of `ipvsadm --restore`. Endpoints of connections that are gone get the weight 0: what is open may end, nothing new comes. */
export function renderServers(changes: readonly { readonly before: Piece | undefined; readonly after: Piece | undefined }[], scheduler: string): { lines: string[]; draining: string[] } {
  const lines: string[] = [];
  const draining: string[] = [];
  for (const { before, after } of changes) {
    const old = new Map((before?.servers ?? []).map((server) => [key(server), server]));
    const wanted = new Map((after?.servers ?? []).map((server) => [key(server), server]));
    for (const at of old.keys()) if (!wanted.has(at)) lines.push(`-D ${at}`);
    for (const [at, server] of wanted) {
      const known = old.get(at);
      const persistence = server.persistence ? ` -p ${server.persistence}` : '';
      if (!known || known.persistence !== server.persistence) lines.push(`${known ? '-E' : '-A'} ${at} -s ${scheduler}${persistence}`);
      for (const endpoint of server.endpoints) if (!known?.endpoints.includes(endpoint)) lines.push(`-a ${at} -r ${endpoint} -m -w 1`);
      for (const endpoint of known?.endpoints ?? []) {
        if (server.endpoints.includes(endpoint)) continue;
        if (server.protocol === 'UDP') lines.push(`-d ${at} -r ${endpoint}`);
        else {
          lines.push(`-e ${at} -r ${endpoint} -m -w 0`);
          draining.push(`${at} -r ${endpoint}`);
        }
      }
    }
  }
  return { lines, draining };
}

/** Lines of `ipset restore`: whole sets, made beside the old ones and swapped in. */
export function renderSets(family: 4 | 6, pieces: Iterable<Piece>): string[] {
  const all = [...pieces];
  return Object.entries(ipSets).flatMap(([name, type]) => {
    const set = setName(family, name);
    const inet = type === 'bitmap:port' ? 'range 0-65535' : `family ${family === 6 ? 'inet6' : 'inet'} maxelem 65536`;
    const next = `${set}-NEXT`;
    const members = [...new Set(all.flatMap((piece) => piece.members.get(set) ?? []))];
    return [`create ${set} ${type} ${inet}`, `create ${next} ${type} ${inet}`, `flush ${next}`, ...members.map((member) => `add ${next} ${member}`), `swap ${next} ${set}`, `destroy ${next}`];
  });
}
