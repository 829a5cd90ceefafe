import { splice } from '@orrery/http';
import { type Channel, type GrpcServer, type TlsMaterial, grpcServer } from '@orrery/rpc';
import { type Component, ConfigError, type ConfigOf, type ConfigSchema, type Env } from '@orrery/runtime';
import { type Conn, type Edge, type Fabric, type Faults, type HostGateway, NetError, type NetStack, createFabric } from '@orrery/vnet';
import { type Peer, controlTarget, createPeerLinks, linkService, membersOnly, switchControlService } from '@orrery/vnet-link';
import { type ContainerRuntimeDeps, createContainerRuntime } from '../component.ts';
import type { ContainerRuntimeConfig } from '../config.ts';

/** Settings of a runtime that is a process of its own and so owns its node's switch. */
export const standaloneNodeSchema = {
  nodeRoot: { type: 'string', default: '/var/lib/orrery/node', help: "directory that is the node's /; the kubelet has the same" },
  podNetwork: { type: 'string', default: 'emulated', choices: ['emulated', 'real'], help: "real: addresses of pods and of the node are addresses of this machine's network namespace, too (kube-proxy --pod-network real makes the routes); pods of other nodes are reached through it" },
  clusterCidr: { type: 'list', default: ['10.244.0.0/16'], help: 'ranges of the pods of all nodes; with --pod-network real' },
  hostGateway: { type: 'list', default: [], help: 'what pods reach outside the emulated network, ip:port=host:port each' },
  nodePorts: { type: 'list', default: [], help: "ports of the node in the emulated network that programs of this machine serve, as its kubelet's: port=host:port each" },
  vnetListen: { type: 'string', default: '127.0.0.1:7080', help: "host:port where the node's switch is programmed and linked" },
  tlsCert: { type: 'string', default: '', help: 'certificate of --vnet-listen and for other switches, file (PEM)' },
  tlsKey: { type: 'string', default: '', help: 'key of --tls-cert, file (PEM)' },
  tlsCa: { type: 'string', default: '', help: 'CA of the other components, file (PEM); without it the switch speaks plain text' },
} as const satisfies ConfigSchema;

type Config = ContainerRuntimeConfig & Pick<ConfigOf<typeof standaloneNodeSchema>, 'hostGateway' | 'nodePorts' | 'vnetListen' | 'podNetwork' | 'clusterCidr'>;

/** host:port of this machine by ip:port of the emulated network. */
function gatewayTargets(entries: readonly string[]): Map<string, { host: string; port: number }> {
  return new Map(
    entries.map((entry) => {
      const match = /^(\S+:\d+)=(\S+):(\d+)$/.exec(entry);
      if (!match) throw new ConfigError(`--host-gateway takes ip:port=host:port, not ${JSON.stringify(entry)}`);
      return [match[1] ?? '', { host: match[2] ?? '', port: Number(match[3]) }];
    }),
  );
}

/** Opens ports of the node whose connections go to programs of this machine. */
function openNodePorts(host: NetStack, entries: readonly string[], dial: StandaloneNodeDeps['dialHost']): void {
  for (const entry of entries) {
    const [, port, to = '', toPort] = /^(\d+)=(\S+):(\d+)$/.exec(entry) ?? [];
    if (port === undefined) throw new ConfigError(`--node-ports takes port=host:port, not ${JSON.stringify(entry)}`);
    const target = { host: to, port: Number(toPort) };
    host.listen({ ip: '', port: Number(port) }, (conn) => {
      dial(target).then(
        (there) => void splice(conn, there),
        (error: Error) => conn.close(error),
      );
    });
  }
}

export interface StandaloneNodeDeps extends Omit<ContainerRuntimeDeps, 'switch'> {
  readonly tls: TlsMaterial | undefined;
  /** Reaches another switch. */
  connect(endpoint: string): Channel;
  /** Connects on this machine. */
  dialHost(to: { host: string; port: number }): Promise<Conn>;
  /** The network of this machine (`createHostEdge` of @orrery/node-io), for `--pod-network real`. */
  hostEdge?(options: { fabric: () => Fabric; podRanges: readonly string[] }): Edge & { close(): Promise<void> };
}

/** What has no entry goes to `beyond`. */
function hostGateway(entries: readonly string[], dial: StandaloneNodeDeps['dialHost'], beyond?: HostGateway): HostGateway {
  const targets = gatewayTargets(entries);
  return {
    dial(packet, options) {
      const { to } = packet;
      const target = targets.get(`${to.ip}:${to.port}`);
      if (target) return dial(target);
      return beyond ? beyond.dial(packet, options) : Promise.reject(new NetError('EHOSTUNREACH', `${to.ip}:${to.port} is outside the emulated network`));
    },
  };
}

/** Nodes have ranges of pods; what has none is a component with a switch of its own. */
const isNode = ({ addresses = [] }: Peer): boolean => addresses.some((address) => address.includes('/'));

export interface StandaloneNode extends Component {
  /** What befalls what passes between this node and others. */
  readonly links: Faults;
  /** Port of `--vnet-listen`, once started. */
  vnetPort(): number;
}

/** One node's container runtime with its switch, which other processes program and link to. */
export function createStandaloneNode(env: Env, deps: StandaloneNodeDeps, config: Config): StandaloneNode {
  const { tls, connect } = deps;
  const { node } = config;
  const [nodeIp = '', secondIp] = config.nodeIp.split(',');
  const edge = config.podNetwork === 'real' ? deps.hostEdge?.({ fabric: () => fabric, podRanges: config.clusterCidr }) : undefined;
  const gateway = hostGateway(config.hostGateway, deps.dialHost, edge);
  const fabric: Fabric = createFabric(env, edge ? { edge: { ...edge, ...gateway } } : { hostGateway: gateway });
  const own = fabric.addSwitch({ node, nodeIp, secondIp });
  openNodePorts(own.hostStack, config.nodePorts, deps.dialHost);
  const links = createPeerLinks({ fabric, clock: env.clock, node, connect });
  // Other nodes are reached by the machine's own routes.
  const setPeers = (peers: readonly Peer[]): void => links.setPeers(edge ? peers.filter((peer) => !isNode(peer)) : peers);
  const control = switchControlService(controlTarget(own, { setPeers }), { host: own.hostStack, log: env.log });
  const services = [linkService(fabric, env.clock), control];
  const runtime = createContainerRuntime(env, { ...deps, switch: own }, config);
  let server: GrpcServer | undefined;
  let port = 0;
  return {
    name: 'container-runtime',
    links: fabric.faults,
    async start(signal) {
      server = grpcServer(tls ? services.map(membersOnly) : services, tls ? { tls, requireClientCert: true } : {});
      port = await server.listen(config.vnetListen);
      await runtime.start(signal);
    },
    async stop() {
      await runtime.stop();
      links.close();
      own.close();
      await edge?.close();
      await server?.stop();
    },
    ready: () => runtime.ready(),
    vnetPort: () => port,
  };
}
