import { cidrContains, isLoopback, parseCidr, parseIp } from '@orrery/vnet';

/** Where everything lives in the emulated network of the single layout. */
export const network = {
  /** This machine, as pods see it: the API server's advertised address. */
  host: '10.240.0.1',
  /** The switch that this machine's own listeners and the cluster's services (DNS, ingress, cloud) are plugged into. */
  infraSwitch: '10.240.0.2',
  /** The switch of an API server that is a process of its own. */
  apiServer: '10.240.0.3',
  dns: '10.240.0.53',
  ingress: '10.240.0.80',
  cloud: '10.240.0.90',
  dnsService: '10.96.0.10',
} as const;

/** API servers of one cluster that have addresses of their own. */
export const mostApiServers = 3;

/** Of the i-th API server, from 0: what it advertises to pods, and its switch. */
export function apiServerAddresses(index: number): { advertised: string; vnet: string } {
  return index === 0 ? { advertised: network.host, vnet: network.apiServer } : { advertised: `10.240.0.${5 + index}`, vnet: `10.240.0.${3 + index}` };
}

/** IPv6 addresses of the cloud's instances, in a dual-stack cluster. */
export const instanceIpv6Range = 'fd00:10:241::/112';

const firstNode = 11;
/** Last octets that are taken in the first /24. */
const nodesInFirstRange = 40;

/** Address of the i-th node, from 0: 10.240.0.11 to .50, then 10.240.1.0 and on. */
export function nodeAddress(index: number): string {
  if (index < nodesInFirstRange) return `10.240.0.${firstNode + index}`;
  const rest = index - nodesInFirstRange + 256;
  return `10.240.${Math.floor(rest / 256)}.${rest % 256}`;
}

/** The same in a dual-stack cluster: of IPv4, then of IPv6 with the same last 16 bits. Those of instances of the cloud are in `instanceIpv6Range`. */
export function nodeAddresses(ip: string, isDualStack: boolean): string[] {
  const [third = 0, fourth = 0] = ip.split('.').slice(2).map(Number);
  return isDualStack ? [ip, `fd00:10:240::${(third * 256 + fourth).toString(16)}`] : [ip];
}

/**
 * Why a component cannot be at `address` in the emulated network; undefined when it can. `ranges` are those of pods and Services, several of one
 * with commas.
 */
export function addressProblem(address: string, ranges: Readonly<Record<string, string>>): string | undefined {
  const ip = parseIp(address);
  if (!ip) return 'is no IP address';
  if (isLoopback(address) || ip.value === 0n) return 'is no address of its own';
  const within = (text: string): boolean => text.split(',').some((range) => cidrContains(parseCidr(range.trim()), ip));
  // Nodes, API servers, DNS servers and their caches leave these.
  const isFree = within('10.240.0.0/24') && (ip.value & 255n) >= 80n && address !== network.cloud;
  if (within(`10.240.0.0/14,fd00:10:240::/112,${instanceIpv6Range}`) && !isFree) return "is one of the cluster's own; free are 10.240.0.80 to .89 and .91 to .255";
  const [taken] = Object.entries(ranges).filter(([, text]) => text && within(text)).map(([what]) => what);
  return taken && `is in the range of ${taken}`;
}

/** Where the DNS cache of a node is in the emulated network, if it is a process of its own: nodes are in 10.240.0.0/16, or 10.241.0.0/16 as instances of the cloud. */
export function nodeCacheHome(nodeIp: string): string {
  const [, second = 0] = nodeIp.split('.').map(Number);
  return `10.${second + 2}.${nodeIp.split('.').slice(2).join('.')}`;
}

export function nodeName(index: number): string {
  return `node-${index + 1}`;
}

/** A range of pod addresses with a /24 for every node. */
export function podRange(nodes: number): string {
  return nodes <= 250 ? '10.244.0.0/16' : '10.128.0.0/10';
}
