import { createIp } from '../packet-filters.ts';
import { type BridgeNetwork, type PeerNode, type Vxlan, bridgeLines, hostRouteLines, plugLines, podLines, vxlanLines, vxlanPeerLines } from '../pod-network.ts';
import { type Lab, type LabNamespace, createLab } from './namespace.ts';

/** A node of the lab: its own namespace, and a bridge for its pods. */
export interface LabNode extends PeerNode {
  readonly name: string;
  /** Its IPv6 address; `address` is the IPv4 one. */
  readonly address6: string;
  readonly namespace: LabNamespace;
  readonly network: BridgeNetwork;
  /** Plugs a new namespace in, with the nth addresses of the node's ranges. */
  pod(n: number): Promise<{ readonly namespace: LabNamespace; readonly ips: readonly [v4: string, v6: string] }>;
}

/** Two nodes and somebody outside on one wire; the pods of one node reach those of the other by routes, or through a VXLAN. */
export interface TwoNodes {
  readonly nodes: readonly [LabNode, LabNode];
  readonly outside: LabNamespace & { readonly address: string };
  close(): Promise<void>;
}

const wire = (n: number): { v4: string; v6: string } => ({ v4: `10.0.0.${n}`, v6: `fd00:1::${n}` });
const outsideNumber = 100;

async function plugIntoWire(hub: LabNamespace, namespace: LabNamespace, n: number): Promise<void> {
  const { v4, v6 } = wire(n);
  await createIp(hub.shell).batch([`link add wire${n} type veth peer name eth0 netns ${namespace.pid}`, `link set wire${n} master wire`, `link set wire${n} up`]);
  await createIp(namespace.shell).batch(['link set eth0 up', `addr add ${v4}/24 dev eth0`, `addr add ${v6}/64 dev eth0 nodad`]);
}

async function createNode(lab: Lab, hub: LabNamespace, { n, name }: { n: number; name: string }): Promise<LabNode> {
  const namespace = await lab.namespace();
  await plugIntoWire(hub, namespace, 10 + n);
  await namespace.shell.run('sh', ['-c', 'for f in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; do echo 1 > $f; done']);
  const network: BridgeNetwork = { bridge: 'cni0', gateways: [`10.244.${n}.1/24`, `fd00:244:${n}::1/64`] };
  const { v4: address, v6: address6 } = wire(10 + n);
  // A way for what has no route, as every node has one; nobody is there.
  await createIp(namespace.shell).batch([...bridgeLines(network), `route add default via ${wire(1).v4}`, `route add ::/0 via ${wire(1).v6}`]);
  return {
    name, namespace, network, address, address6,
    podCidrs: [`10.244.${n}.0/24`, `fd00:244:${n}::/64`],
    async pod(number) {
      const pod = await lab.namespace();
      const ips = [`10.244.${n}.${number}`, `fd00:244:${n}::${number}`] as const;
      const plug = { hostInterface: `veth${number}`, pid: pod.pid, addresses: [`${ips[0]}/24`, `${ips[1]}/64`] };
      await createIp(namespace.shell).batch(plugLines(network, plug));
      await createIp(pod.shell).batch(podLines(network, plug));
      return { namespace: pod, ips };
    },
  };
}

async function join(node: LabNode, peer: LabNode, network: 'host-gw' | 'vxlan'): Promise<void> {
  const ip = createIp(node.namespace.shell);
  const v6Peer = { address: peer.address6, podCidrs: peer.podCidrs };
  if (network === 'host-gw') return ip.batch(hostRouteLines([peer, v6Peer]));
  const vxlan: Vxlan = { device: 'flannel.1', id: 1, port: 8472, self: node };
  const { routes, forwarding } = vxlanPeerLines(vxlan, [peer]);
  await ip.batch([...vxlanLines(vxlan), ...routes, ...hostRouteLines([v6Peer])]);
  await node.namespace.shell.run('bridge', ['-batch', '-'], `${forwarding.join('\n')}\n`);
}

export async function createTwoNodes(options: { network: 'host-gw' | 'vxlan' }): Promise<TwoNodes> {
  const lab = await createLab();
  try {
    const hub = await lab.namespace();
    await createIp(hub.shell).batch(['link add wire type bridge', 'link set wire up']);
    const a = await createNode(lab, hub, { n: 1, name: 'node-a' });
    const b = await createNode(lab, hub, { n: 2, name: 'node-b' });
    await join(a, b, options.network);
    await join(b, a, options.network);
    const outside = await lab.namespace();
    await plugIntoWire(hub, outside, outsideNumber);
    return { nodes: [a, b], outside: { ...outside, address: wire(outsideNumber).v4 }, close: () => lab.close() };
  } catch (error) {
    await lab.close();
    throw error;
  }
}
