import type { Env } from '@orrery/runtime';
import { type Cidr, cidrContains, normalizeIp, parseCidr, parseIp } from './address.ts';
import { type Faults, createLinkTable } from './faults.ts';
import { type Conn, type DialOptions, type Endpoint, NetError } from './net.ts';
import type { Stack } from './stack.ts';
import { type RemotePort, type Route, Switch, type VnetSwitch, type Wiring } from './switch.ts';
import { unreachable } from './timeouts.ts';

/** The way out of the emulated network: addresses no switch owns go here. Without one they are unreachable. */
export interface HostGateway {
  /** Rejects with NetError for what it does not allow. */
  dial(packet: { from: Endpoint; to: Endpoint }, options: DialOptions): Promise<Conn>;
  /** Answers come back through `reply`. Dropped when absent. */
  datagram?(packet: { from: Endpoint; to: Endpoint; bytes: Uint8Array }, reply: (bytes: Uint8Array) => void): void;
}

/** Where a fabric meets a real network in which its addresses exist, too. */
export interface Edge extends HostGateway {
  /**
   * A namespace listens, or has a datagram socket, at this port of these addresses, none of them a loopback address; what is returned is
   * called once, when it does no more. What comes in there goes to `Fabric.admit` and `Fabric.admitDatagram`.
   */
  bound(protocol: 'TCP' | 'UDP', ips: readonly string[], port: number): () => void;
}

/** A switch in another process: its addresses (a node's address or a pod range) and the way there. */
export interface RemoteSwitch {
  readonly node: string;
  readonly addresses: readonly string[];
  readonly port: RemotePort;
}

export interface Fabric {
  /** Adds a node. `nodeIp` must be free; so must `secondIp`, its address of the other family, where it has one. */
  addSwitch(options: { node: string; nodeIp: string; secondIp?: string | undefined; podCidr?: string }): VnetSwitch;
  switchOf(node: string): VnetSwitch | undefined;
  readonly faults: Faults;
  setHostGateway(gateway: HostGateway | undefined): void;
  /** Replaces the switches of other processes. */
  setRemotes(remotes: readonly RemoteSwitch[]): void;
  /** Traffic that enters from a remote switch or from the host. EHOSTUNREACH when no switch here owns the address. */
  admit(packet: { from: Endpoint; to: Endpoint; fromNode: string }, options?: DialOptions): Promise<Conn>;
  admitDatagram(packet: { from: Endpoint; to: Endpoint; bytes: Uint8Array }): void;
}

interface Range {
  readonly cidr: Cidr;
  readonly owner: Switch;
}

/** A network of switches in this process, linked node to node. Addresses are unique in the whole fabric. An `edge` is the gateway, too. */
export function createFabric(env: Env, options: { hostGateway?: HostGateway; edge?: Edge } = {}): Fabric {
  const links = createLinkTable(env);
  const byAddress = new Map<string, { stack: Stack; owner: Switch }>();
  const switches = new Map<string, Switch>();
  let ranges: Range[] = [];
  let remoteHosts = new Map<string, RemoteSwitch>();
  let remoteRanges: { cidr: Cidr; remote: RemoteSwitch }[] = [];
  const { edge } = options;
  let gateway = edge ?? options.hostGateway;

  const route = (ip: string): Route => {
    const local = byAddress.get(ip);
    if (local) return { kind: 'stack', ...local };
    const host = remoteHosts.get(ip);
    if (host) return { kind: 'remote', node: host.node, port: host.port };
    const parsed = parseIp(ip);
    if (!parsed) return { kind: 'none' };
    if (ranges.some(({ cidr }) => cidrContains(cidr, parsed))) return { kind: 'none' };
    const remote = remoteRanges.find(({ cidr }) => cidrContains(cidr, parsed))?.remote;
    return remote ? { kind: 'remote', node: remote.node, port: remote.port } : { kind: 'outside' };
  };
  const outside: RemotePort = {
    dial: (packet, dialOptions) => (gateway ? gateway.dial(packet, dialOptions) : Promise.reject(unreachable(packet.to))),
    datagram(packet) {
      const { from, to } = packet;
      gateway?.datagram?.(packet, (bytes) => admitDatagram({ from: to, to: from, bytes }));
    },
  };
  const admitDatagram: Fabric['admitDatagram'] = ({ from, to, bytes }) => {
    const target = byAddress.get(to.ip);
    target?.owner.deliverDatagram({ source: from, to, bytes });
  };
  const wiring: Wiring = {
    env,
    links,
    route,
    outside,
    bound: edge && ((protocol, ips, port) => edge.bound(protocol, ips, port)),
    plug(ip, stack, owner) {
      if (byAddress.has(ip)) throw new NetError('EADDRINUSE', `address ${ip} is already attached`);
      byAddress.set(ip, { stack, owner });
    },
    unplug: (ip) => void byAddress.delete(ip),
    setPodCidr(owner, podCidr) {
      ranges = ranges.filter((range) => range.owner !== owner);
      for (const part of podCidr?.split(',') ?? []) ranges.push({ cidr: parseCidr(part.trim()), owner });
    },
    closed(owner) {
      switches.delete(owner.node);
      ranges = ranges.filter((range) => range.owner !== owner);
    },
  };
  return {
    faults: links,
    addSwitch({ node, nodeIp, secondIp, podCidr }) {
      if (switches.has(node)) throw new NetError('EADDRINUSE', `node ${node} already has a switch`);
      const added = new Switch({ node, nodeIp, secondIp, wiring });
      switches.set(node, added);
      added.setPodCidr(podCidr);
      return added;
    },
    switchOf: (node) => switches.get(node),
    setHostGateway: (next) => void (gateway = next),
    setRemotes(remotes) {
      remoteHosts = new Map();
      remoteRanges = [];
      for (const remote of remotes) {
        for (const address of remote.addresses) {
          if (address.includes('/')) remoteRanges.push({ cidr: parseCidr(address), remote });
          else remoteHosts.set(normalizeIp(address), remote);
        }
      }
    },
    admit({ from, to, fromNode }, dialOptions = {}) {
      const target = byAddress.get(normalizeIp(to.ip))?.owner;
      return target ? target.admit({ source: from, to, fromNode, options: dialOptions }) : Promise.reject(unreachable(to));
    },
    admitDatagram,
  };
}
