import { isLoopback, normalizeIp } from './address.ts';
import { connPair } from './conn.ts';
import { Conntrack, type Translation } from './conntrack.ts';
import type { Env } from '@orrery/runtime';
import type { LinkTable } from './faults.ts';
import { HealthPorts } from './health-ports.ts';
import type { Conn, DialOptions, Endpoint, NetStack, UdpSocket } from './net.ts';
import { type PolicySet, PolicyTable } from './policy.ts';
import type { HealthPort, ServiceRule, ServiceUpdate, SwitchControl } from './rules.ts';
import { ServiceTable } from './service-table.ts';
import { Stack, type Uplink } from './stack.ts';
import { refused, timedOut, unreachable, withinTime } from './timeouts.ts';

/** One node's switch: its own address, its pods, its service rules. */
export interface VnetSwitch extends SwitchControl {
  readonly node: string;
  readonly nodeIp: string;
  /** The node's own namespace (host-network pods, the kubelet, node ports). */
  readonly hostStack: NetStack;
  /** Plugs a namespace in. The addresses must be free in the whole fabric (else EADDRINUSE). */
  attach(options: { ips: readonly string[] }): Attachment;
  /** Gives the node an address that is its own on every node: who is not behind this switch does not reach it. */
  addLocalAddress(ip: string): void;
  /** The pod range whose unassigned addresses answer EHOSTUNREACH here. */
  setPodCidr(podCidr: string | undefined): void;
  /** A connection that a router or a balancer brings to this node, whatever its destination: the rules of the node apply. */
  admit(arrival: { source: Endpoint; to: Endpoint; fromNode: string; options: DialOptions }): Promise<Conn>;
  /** The same for a datagram. */
  deliverDatagram(packet: { source: Endpoint; to: Endpoint; bytes: Uint8Array }): void;
  /** Unplugs everything; connections reset. */
  close(): void;
}

export interface Attachment {
  readonly stack: NetStack;
  /** Frees the addresses; listeners end, connections reset. */
  detach(): void;
}

/** Where an address lives. */
export type Route =
  | { readonly kind: 'stack'; readonly stack: Stack; readonly owner: Switch }
  | { readonly kind: 'remote'; readonly node: string; readonly port: RemotePort }
  | { readonly kind: 'none' }
  | { readonly kind: 'outside' };

/** The way to another switch, or out to the host. */
export interface RemotePort {
  dial(packet: { from: Endpoint; to: Endpoint }, options: DialOptions): Promise<Conn>;
  datagram(packet: { from: Endpoint; to: Endpoint; bytes: Uint8Array }): void;
}

/** What a switch needs of its fabric. */
export interface Wiring {
  readonly env: Env;
  readonly links: LinkTable;
  route(ip: string): Route;
  readonly outside: RemotePort;
  plug(ip: string, stack: Stack, owner: Switch): void;
  unplug(ip: string): void;
  setPodCidr(owner: Switch, podCidr: string | undefined): void;
  closed(owner: Switch): void;
  /** See `Edge`; undefined where there is none. */
  readonly bound: Uplink['bound'] | undefined;
}

interface Arrival {
  readonly source: Endpoint;
  readonly to: Endpoint;
  /** What the client dialled, for its `remote`. */
  readonly dialled: Endpoint;
  readonly fromNode: string;
  readonly options: DialOptions;
  /** What others see instead of `source` beyond this switch; its own policies still see `source`, as before POSTROUTING. */
  readonly masqueraded?: Endpoint;
}

const maxHops = 4;

/** A connection as it looks beyond the switch. */
function leaving(arrival: Arrival): Arrival {
  const { masqueraded, ...rest } = arrival;
  return masqueraded ? { ...rest, source: masqueraded } : arrival;
}

/** Idle time after which the node forgets a masqueraded UDP flow. */
const masqueradeIdleMs = 30_000;

export class Switch implements VnetSwitch, Uplink {
  readonly node: string;
  readonly nodeIp: string;
  readonly hostStack: Stack;
  /** Its address of the other family, in a dual-stack cluster. */
  private readonly secondIp: string | undefined;
  /** Of the host's stack: the node's addresses, then those that are known here alone. */
  private readonly hostIps: string[];
  private readonly wiring: Wiring;
  private readonly services: ServiceTable;
  private readonly conntrack: Conntrack;
  private readonly policies: PolicyTable;
  private readonly healthPorts: HealthPorts;
  private readonly attached = new Set<Stack>();
  private masquerades: Map<string, { socket: UdpSocket; idle: { cancel(): void } }> | undefined;

  constructor(options: { node: string; nodeIp: string; secondIp?: string | undefined; wiring: Wiring }) {
    this.node = options.node;
    this.nodeIp = normalizeIp(options.nodeIp);
    this.secondIp = options.secondIp === undefined ? undefined : normalizeIp(options.secondIp);
    this.wiring = options.wiring;
    const { clock, random } = options.wiring.env;
    this.services = new ServiceTable(clock, random, this.secondIp === undefined ? 1 : 2);
    this.conntrack = new Conntrack(clock);
    this.policies = new PolicyTable(clock);
    this.hostIps = this.secondIp === undefined ? [this.nodeIp] : [this.nodeIp, this.secondIp];
    this.hostStack = new Stack(this.hostIps, this);
    this.healthPorts = new HealthPorts(this.hostStack, options.wiring.env.log);
    for (const ip of this.hostIps) this.wiring.plug(ip, this.hostStack, this);
  }

  attach({ ips }: { ips: readonly string[] }): Attachment {
    const addresses = ips.map(normalizeIp);
    const stack = new Stack(addresses, this);
    addresses.forEach((ip, i) => {
      try {
        this.wiring.plug(ip, stack, this);
      } catch (error) {
        for (const taken of addresses.slice(0, i)) this.wiring.unplug(taken);
        throw error;
      }
    });
    this.attached.add(stack);
    const detach = (): void => {
      if (!this.attached.delete(stack)) return;
      for (const ip of addresses) this.wiring.unplug(ip);
      stack.close();
    };
    return { stack, detach };
  }

  bound(protocol: 'TCP' | 'UDP', ips: readonly string[], port: number): (() => void) | undefined {
    return this.wiring.bound?.(protocol, ips, port);
  }

  setServiceRules(rules: readonly ServiceRule[]): Promise<void> {
    this.services.replace(rules);
    return Promise.resolve();
  }

  updateServices(updates: readonly ServiceUpdate[]): Promise<void> {
    for (const update of updates) this.services.update(update);
    return Promise.resolve();
  }

  setHealthPorts(ports: readonly HealthPort[]): Promise<void> {
    this.healthPorts.set(ports);
    return Promise.resolve();
  }

  setPolicies(policies: PolicySet): Promise<void> {
    this.policies.replace(policies);
    return Promise.resolve();
  }

  addLocalAddress(ip: string): void {
    const address = normalizeIp(ip);
    if (!this.hostIps.includes(address)) this.hostIps.push(address);
  }

  private routeTo(ip: string): ReturnType<Wiring['route']> {
    if (ip !== this.nodeIp && this.hostIps.length > 1 && this.hostIps.includes(ip)) return { kind: 'stack', stack: this.hostStack, owner: this };
    return this.wiring.route(ip);
  }

  setPodCidr(podCidr: string | undefined): void {
    this.wiring.setPodCidr(this, podCidr);
  }

  close(): void {
    for (const stack of this.attached) {
      for (const ip of stack.ips) this.wiring.unplug(ip);
      stack.close();
    }
    this.attached.clear();
    this.wiring.unplug(this.nodeIp);
    if (this.secondIp !== undefined) this.wiring.unplug(this.secondIp);
    this.hostStack.close();
    for (const { socket, idle } of this.masquerades?.values() ?? []) {
      socket.close();
      idle.cancel();
    }
    this.wiring.closed(this);
  }

  dial(from: Stack, to: Endpoint, options: DialOptions): Promise<Conn> {
    const loopback = isLoopback(to.ip) && (!!from.listenerAt(to) || !this.services.has('TCP', to));
    const source = options.source ?? { ip: from.sourceFor(loopback ? to.ip : this.beyondLoopback(to.ip)), port: from.ephemeralPort() };
    const arrival: Arrival = { source, to, dialled: to, fromNode: this.node, options };
    if (loopback) {
      // Beyond this node nobody may see an address of loopback.
      const viaNodePort = from === this.hostStack && !from.listenerAt(to) ? this.resolveTcp({ ...arrival, source: { ...source, ip: this.ownIp(to.ip) } }, true) : undefined;
      return viaNodePort ?? this.connectTo(from, from, arrival);
    }
    return this.forward(from, arrival, 0);
  }

  /** The node's address of the family of `ip`; its only one where it has no other. */
  private ownIp(ip: string): string {
    return this.secondIp !== undefined && this.secondIp.includes(':') === ip.includes(':') ? this.secondIp : this.nodeIp;
  }

  /** An address in whose direction a packet to `ip` leaves: a balancer of this machine may have one of loopback. */
  private beyondLoopback(ip: string): string {
    return isLoopback(ip) ? this.ownIp(ip) : ip;
  }

  /** A connection that another switch, or the host, sends here. */
  admit(arrival: { source: Endpoint; to: Endpoint; fromNode: string; options: DialOptions }): Promise<Conn> {
    return this.forward(undefined, { ...arrival, dialled: arrival.to }, 0);
  }

  private resolveTcp(arrival: Arrival, nodeAddress: boolean, hop = 0, from?: Stack): Promise<Conn> | undefined {
    const { source, to, options } = arrival;
    const resolution = this.services.resolve('TCP', to, { ip: source.ip, nodeAddress, inside: arrival.fromNode === this.node });
    if (resolution === 'unmatched') return undefined;
    if (resolution === 'refuse') return Promise.reject(refused(to));
    if (resolution === 'drop') return timedOut(this.wiring.env.clock, to, options);
    // A pod that reaches itself through a service must not see its own address, or its answer would not pass the switch.
    const masquerade = (resolution.masquerade || resolution.to.ip === source.ip) && !this.hostStack.ips.includes(source.ip);
    const seen = masquerade ? { masqueraded: { ip: this.ownIp(resolution.to.ip), port: this.hostStack.ephemeralPort() } } : {};
    return this.forward(from, { ...arrival, to: resolution.to, ...seen }, hop + 1);
  }

  private forward(from: Stack | undefined, arrival: Arrival, hop: number): Promise<Conn> {
    const { to, fromNode, options } = arrival;
    if (hop > maxHops) return Promise.reject(unreachable(to));
    const local = this.resolveTcp(arrival, this.hostStack.ips.includes(to.ip), hop, from);
    if (local) return local;
    if (fromNode === this.node && !this.mayLeave('TCP', arrival)) return timedOut(this.wiring.env.clock, to, options);
    const route = this.routeTo(to.ip);
    switch (route.kind) {
      case 'stack':
        if (route.owner === this) return this.connectTo(route.stack, from, arrival);
        return route.owner.receive(from, leaving(arrival), hop + 1);
      case 'remote':
        if (this.wiring.links.link(fromNode, route.node)?.blocked) return timedOut(this.wiring.env.clock, to, options);
        return route.port.dial({ from: leaving(arrival).source, to }, options);
      case 'none':
        return Promise.reject(unreachable(to));
      case 'outside':
        return this.wiring.outside.dial({ from: leaving(arrival).source, to }, options);
    }
  }

  /** Arrival from another switch of this fabric: the rules of this node apply to its own addresses. */
  private receive(from: Stack | undefined, arrival: Arrival, hop: number): Promise<Conn> {
    if (this.wiring.links.link(arrival.fromNode, this.node)?.blocked) return timedOut(this.wiring.env.clock, arrival.to, arrival.options);
    return this.forward(from, arrival, hop);
  }

  /** Policies of the pod that sends. A pod and its own node always reach each other. */
  private mayLeave(protocol: 'TCP' | 'UDP', { source, to }: { source: Endpoint; to: Endpoint }): boolean {
    return this.policies.idle || this.hostStack.ips.includes(to.ip) || this.policies.egressAllowed({ protocol, source, to });
  }

  /** Policies of the pod that receives. */
  private mayEnter(protocol: 'TCP' | 'UDP', { source, to }: { source: Endpoint; to: Endpoint }): boolean {
    return this.policies.idle || this.hostStack.ips.includes(source.ip) || isLoopback(to.ip) || this.policies.ingressAllowed({ protocol, source, to });
  }

  private async connectTo(stack: Stack, from: Stack | undefined, arrival: Arrival): Promise<Conn> {
    const { to, dialled, fromNode, options } = arrival;
    const { clock } = this.wiring.env;
    if (stack !== this.hostStack && !this.mayEnter('TCP', arrival)) return timedOut(clock, to, options);
    const { source } = leaving(arrival);
    const link = this.wiring.links.link(fromNode, this.node);
    if (link) {
      const there = new Promise<void>((resolve) => link.carry(`syn ${source.ip}:${source.port}`, resolve));
      await withinTime(clock, there, { to, ...options });
    }
    if (stack.closed) throw unreachable(to);
    const listener = stack.listenerAt(to);
    if (!listener) throw refused(to);
    const pair = connPair({ client: source, clientRemote: dialled, server: to, link });
    pair.onServerClose(stack.track(pair.server));
    if (from) pair.onClientClose(from.track(pair.client));
    listener.onConn(pair.server);
    if (link) {
      const back = new Promise<void>((resolve) => link.back.carry(`${to.ip}${to.port}`, resolve));
      await withinTime(clock, back, { to, ...options }).catch((error: Error) => {
        pair.client.close(error);
        throw error;
      });
    }
    return pair.client;
  }

  sendDatagram(packet: { from: Stack; source: Endpoint; to: Endpoint; bytes: Uint8Array }): void {
    const { from, to, bytes } = packet;
    let { source } = packet;
    const beyond = isLoopback(to.ip) && !from.udpAt(to) && this.services.has('UDP', to);
    const nodePort = isLoopback(to.ip) && !beyond && from === this.hostStack && !from.udpAt(to);
    if (isLoopback(to.ip) && !nodePort && !beyond) {
      from.udpAt(to)?.onMessage(bytes, source);
      return;
    }
    if (nodePort) source = { ...source, ip: this.ownIp(to.ip) };
    if (beyond && isLoopback(source.ip)) source = { ...source, ip: from.sourceFor(this.ownIp(to.ip)) };
    const translation = this.translate(source, to, true);
    if (!translation || (nodePort && translation.backend === to)) return;
    const target = translation.backend;
    if (!this.policies.idle) {
      if (!this.mayLeave('UDP', { source, to: target }) && !this.policies.isAnswer({ source, to: target })) return;
      for (const peer of [to, target]) this.policies.remember({ source, to: peer });
    }
    const hidden = target !== to && from !== this.hostStack && (translation.masquerade || target.ip === source.ip);
    if (hidden) return this.masquerade({ source, to, backend: target, bytes });
    // An answer to a client whose packet was translated here, and that knows only the address it had asked.
    const seen = this.conntrack.originalOf(to, source) ?? source;
    this.routeDatagram({ source: seen, to: target, bytes, fromNode: this.node });
  }

  /** Where a datagram goes: the destination itself when no service has it; undefined when it is dropped. */
  private translate(source: Endpoint, to: Endpoint, inside: boolean): Translation | undefined {
    const known = this.conntrack.flowOf(source, to);
    if (known && this.services.stillValid('UDP', to, known.backend)) return known;
    if (known) this.conntrack.remove(source, to);
    const resolution = this.services.resolve('UDP', to, { ip: source.ip, nodeAddress: this.hostStack.ips.includes(to.ip) || isLoopback(to.ip), inside });
    if (resolution === 'unmatched') return { backend: to, masquerade: false };
    if (typeof resolution === 'string') return undefined;
    const translation = { backend: resolution.to, masquerade: resolution.masquerade };
    this.conntrack.add(source, to, translation);
    return translation;
  }

  private routeDatagram(packet: { source: Endpoint; to: Endpoint; bytes: Uint8Array; fromNode: string }): void {
    const { source, to, bytes, fromNode } = packet;
    const route = this.routeTo(to.ip);
    if (route.kind === 'stack') {
      const { owner } = route;
      const link = this.wiring.links.link(fromNode, owner.node);
      const deliver = (): void => owner.deliverDatagram({ source, to, bytes });
      if (link) link.carryDatagram(deliver, bytes.length);
      else deliver();
    } else if (route.kind === 'remote') {
      const link = this.wiring.links.link(fromNode, route.node);
      const deliver = (): void => route.port.datagram({ from: source, to, bytes });
      if (link) link.carryDatagram(deliver, bytes.length);
      else deliver();
    } else if (route.kind === 'outside') {
      this.wiring.outside.datagram({ from: source, to, bytes });
    }
  }

  /** A datagram that has reached the node of its destination. */
  deliverDatagram({ source, to, bytes }: { source: Endpoint; to: Endpoint; bytes: Uint8Array }): void {
    const route = this.routeTo(to.ip);
    if (route.kind !== 'stack') return this.relay(source, to, bytes);
    const { stack } = route;
    const socket = stack.udpAt(to);
    if (!socket && stack === this.hostStack) return this.relay(source, to, bytes);
    if (stack !== this.hostStack && !this.policies.idle) {
      if (!this.mayEnter('UDP', { source, to }) && !this.policies.isAnswer({ source, to })) return;
      this.policies.remember({ source, to });
    }
    socket?.onMessage(bytes, this.conntrack.originalOf(to, source) ?? source);
  }

  /** A datagram for a node port, or for an address that only services have: to a backend here as it came, else from the node's own address, where the answers come back to. */
  private relay(source: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    const target = this.translate(source, to, false);
    if (!target || target.backend === to) return;
    if (target.masquerade) this.masquerade({ source, to, backend: target.backend, bytes });
    else this.routeDatagram({ source, to: target.backend, bytes, fromNode: this.node });
  }

  private masquerade({ source, to, backend, bytes }: { source: Endpoint; to: Endpoint; backend: Endpoint; bytes: Uint8Array }): void {
    const key = `${source.ip}|${source.port}|${to.ip}|${to.port}`;
    let flow = this.masquerades?.get(key);
    if (!flow) {
      const socket = this.hostStack.udp({ ip: this.ownIp(backend.ip), port: 0 }, (answer) => {
        this.routeDatagram({ source: to, to: source, bytes: answer, fromNode: this.node });
      });
      flow = { socket, idle: { cancel: () => undefined } };
      (this.masquerades ??= new Map()).set(key, flow);
    }
    flow.idle.cancel();
    const { socket } = flow;
    flow.idle = this.wiring.env.clock.after(masqueradeIdleMs, () => {
      socket.close();
      this.masquerades?.delete(key);
    });
    socket.send(bytes, backend);
  }
}
