/**
 * Pod networks of a Linux node as the bridge plug-in and flannel make them: pods on a bridge, other nodes' pods by routes through
 * their nodes (`host-gw`) or through a VXLAN. Everything is lines of `ip -batch`.
 */
export interface BridgeNetwork {
  readonly bridge: string;
  /** Addresses of the bridge with their prefix lengths, one a family: the pods' gateways. */
  readonly gateways: readonly string[];
}

const isV6 = (address: string): boolean => address.includes(':');
/** `default` would not tell the family. */
const everything = (gateway: string): string => (isV6(gateway) ? '::/0' : 'default');

export function bridgeLines({ bridge, gateways }: BridgeNetwork): string[] {
  return [
    `link add ${bridge} type bridge`,
    // Fixed, or it would follow whichever pod comes and goes.
    `link set ${bridge} address ${macOf(gateways[0] ?? '')}`,
    ...gateways.map((gateway) => `addr add ${gateway} dev ${bridge}${isV6(gateway) ? ' nodad' : ''}`),
    `link set ${bridge} up`,
  ];
}

export interface PodPlug {
  /** Interface on the node's side; at most 15 characters. */
  readonly hostInterface: string;
  /** A process in the pod's network namespace. */
  readonly pid: number;
  /** The pod's addresses with prefix lengths, one a family. */
  readonly addresses: readonly string[];
}

/** On the node: plugs a namespace into the bridge. Hairpin lets a pod reach itself through a service. */
export function plugLines({ bridge }: BridgeNetwork, { hostInterface, pid }: PodPlug): string[] {
  return [
    `link add ${hostInterface} type veth peer name eth0 netns ${pid}`,
    `link set ${hostInterface} master ${bridge}`,
    `link set ${hostInterface} type bridge_slave hairpin on`,
    `link set ${hostInterface} up`,
  ];
}

/** In the pod's namespace. */
export function podLines({ gateways }: BridgeNetwork, { addresses }: PodPlug): string[] {
  return [
    'link set lo up',
    'link set eth0 up',
    ...addresses.map((address) => `addr add ${address} dev eth0${isV6(address) ? ' nodad' : ''}`),
    ...gateways.map((gateway) => `route add ${everything(gateway)} via ${gateway.split('/')[0]}`),
  ];
}

/** The node's side of a pod goes with its namespace; this is for one that stays. */
export function unplugLines({ hostInterface }: PodPlug): string[] {
  return [`link del ${hostInterface}`];
}

/** Another node: its address, and the ranges of its pods. */
export interface PeerNode {
  readonly address: string;
  readonly podCidrs: readonly string[];
}

/** `host-gw`: all nodes are neighbours, each routes to the others' pods. */
export function hostRouteLines(peers: readonly PeerNode[]): string[] {
  return peers.flatMap(({ address, podCidrs }) => podCidrs.filter((cidr) => isV6(cidr) === isV6(address)).map((cidr) => `route replace ${cidr} via ${address}`));
}

export interface Vxlan {
  readonly device: string;
  readonly id: number;
  readonly port: number;
  /** This node. */
  readonly self: PeerNode;
}

const networkOf = (cidr: string): string => cidr.split('/')[0] ?? '';
const v4Cidr = ({ podCidrs }: PeerNode): string => podCidrs.find((cidr) => !isV6(cidr)) ?? '';

/** A locally administered MAC address made of an IPv4 address (or of the last digits of another), the same every time. */
export function macOf(address: string): string {
  const plain = networkOf(address);
  const bytes = isV6(plain) ? [...plain.replaceAll(':', '').slice(-4).padStart(4, '0')].map((digit) => Number.parseInt(digit, 16)) : plain.split('.').map(Number);
  return ['0e', '58', ...bytes.map((byte) => (byte & 255).toString(16).padStart(2, '0'))].join(':');
}

/** flannel's `vxlan` for IPv4: one device, whose neighbours are told and never learned. */
export function vxlanLines({ device, id, port, self }: Vxlan): string[] {
  return [
    `link add ${device} address ${macOf(self.address)} type vxlan id ${id} local ${self.address} dstport ${port} nolearning`,
    `addr add ${networkOf(v4Cidr(self))}/32 dev ${device}`,
    `link set ${device} up`,
  ];
}

/** The ways to the pods of other nodes; `forwarding` is for `bridge -batch`. */
export function vxlanPeerLines({ device }: Vxlan, peers: readonly PeerNode[]): { routes: string[]; forwarding: string[] } {
  const routes = peers.flatMap((peer) => {
    const gateway = networkOf(v4Cidr(peer));
    return [`neigh replace ${gateway} lladdr ${macOf(peer.address)} dev ${device} nud permanent`, `route replace ${v4Cidr(peer)} via ${gateway} dev ${device} onlink`];
  });
  return { routes, forwarding: peers.map((peer) => `fdb replace ${macOf(peer.address)} dev ${device} dst ${peer.address}`) };
}
