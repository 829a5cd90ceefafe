import { type Channel, type GrpcServer, type TlsMaterial, grpcServer } from '@orrery/rpc';
import { type Component, ConfigError, type ConfigOf, type ConfigSchema, type Env } from '@orrery/runtime';
import { type Conn, type Endpoint, type Faults, type HostGateway, NetError, createFabric } from '@orrery/vnet';
import { controlTarget, createPeerLinks, linkService, membersOnly, switchControlService } from '@orrery/vnet-link';
import { type ContainerRuntimeDeps, createContainerRuntime } from '../component.ts';
import type { ContainerRuntimeConfig } from '../config.ts';

/** Settings of a runtime that is a process of its own and so owns its node's switch. */
export const standaloneNodeSchema = {
  nodeRoot: { type: 'string', default: '/var/lib/orrery/node', help: "directory that is the node's /; the kubelet has the same" },
  hostGateway: { type: 'list', default: [], help: 'what pods reach outside the emulated network, ip:port=host:port each' },
  vnetListen: { type: 'string', default: '127.0.0.1:7080', help: "host:port where the node's switch is programmed and linked" },
  tlsCert: { type: 'string', default: '', help: 'certificate of --vnet-listen and for other switches, file (PEM)' },
  tlsKey: { type: 'string', default: '', help: 'key of --tls-cert, file (PEM)' },
  tlsCa: { type: 'string', default: '', help: 'CA of the other components, file (PEM); without it the switch speaks plain text' },
} as const satisfies ConfigSchema;

type Config = ContainerRuntimeConfig & Pick<ConfigOf<typeof standaloneNodeSchema>, 'hostGateway' | 'vnetListen'>;

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

export interface StandaloneNodeDeps extends Omit<ContainerRuntimeDeps, 'switch'> {
  readonly tls: TlsMaterial | undefined;
  /** Reaches another switch. */
  connect(endpoint: string): Channel;
  /** Connects on this machine. */
  dialHost(to: { host: string; port: number }): Promise<Conn>;
}

function hostGateway(entries: readonly string[], dial: StandaloneNodeDeps['dialHost']): HostGateway {
  const targets = gatewayTargets(entries);
  return {
    dial({ to }: { to: Endpoint }) {
      const target = targets.get(`${to.ip}:${to.port}`);
      return target ? dial(target) : Promise.reject(new NetError('EHOSTUNREACH', `${to.ip}:${to.port} is outside the emulated network`));
    },
  };
}

export interface StandaloneNode extends Component {
  /** What befalls what passes between this node and others. */
  readonly links: Faults;
  /** Port of `--vnet-listen`, once started. */
  vnetPort(): number;
}

/** One node's container runtime with its switch, which other processes program and link to. */
export function createStandaloneNode(env: Env, deps: StandaloneNodeDeps, config: Config): StandaloneNode {
  const { tls, connect } = deps;
  const { node, nodeIp } = config;
  const fabric = createFabric(env, { hostGateway: hostGateway(config.hostGateway, deps.dialHost) });
  const own = fabric.addSwitch({ node, nodeIp });
  const links = createPeerLinks({ fabric, clock: env.clock, node, connect });
  const control = switchControlService(controlTarget(own, links));
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
      await server?.stop();
    },
    ready: () => runtime.ready(),
    vnetPort: () => port,
  };
}
