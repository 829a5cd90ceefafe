import { isLoopback, normalizeIp } from './address.ts';
import { type Conn, type DialOptions, type Endpoint, type Listener, NetError, type NetStack, type UdpSocket } from './net.ts';

const firstEphemeral = 32768;
const lastEphemeral = 60999;

export type OnMessage = (bytes: Uint8Array, from: Endpoint) => void;

export interface BoundListener {
  /** '' is every address of the stack. */
  readonly ip: string;
  readonly port: number;
  readonly onConn: (conn: Conn) => void;
  readonly hide: (() => void) | undefined;
}

export interface BoundUdp {
  readonly ip: string;
  readonly port: number;
  readonly onMessage: OnMessage;
  readonly hide: (() => void) | undefined;
}

/** What a stack needs of the switch it is plugged into. */
export interface Uplink {
  dial(from: Stack, to: Endpoint, options: DialOptions): Promise<Conn>;
  sendDatagram(packet: { from: Stack; source: Endpoint; to: Endpoint; bytes: Uint8Array }): void;
  /** A socket is bound to these addresses; what it returns is called when it is closed. */
  bound(protocol: 'TCP' | 'UDP', ips: readonly string[], port: number): (() => void) | undefined;
}

type Bound = { readonly ip: string; readonly port: number };

function find<T extends Bound>(bound: readonly T[] | undefined, at: Endpoint): T | undefined {
  return bound?.find((b) => b.port === at.port && b.ip === at.ip) ?? bound?.find((b) => b.port === at.port && b.ip === '');
}

/** One network namespace. An idle one is this object and one entry in the fabric's address map. */
export class Stack implements NetStack {
  readonly ips: readonly string[];
  private readonly uplink: Uplink;
  private listeners: BoundListener[] | undefined;
  private sockets: BoundUdp[] | undefined;
  private conns: Set<Conn> | undefined;
  private nextPort = 0;
  closed = false;

  constructor(ips: readonly string[], uplink: Uplink) {
    this.ips = ips;
    this.uplink = uplink;
  }

  dial(to: Endpoint, options: DialOptions = {}): Promise<Conn> {
    if (this.closed) return Promise.reject(new NetError('EADDRNOTAVAIL', 'network namespace is gone'));
    return this.uplink.dial(this, { ip: normalizeIp(to.ip), port: to.port }, options);
  }

  listen(at: Endpoint, onConn: (conn: Conn) => void): Listener {
    const place = this.bind(at, this.listeners);
    const bound: BoundListener = { ...place, onConn, hide: this.show('TCP', place) };
    (this.listeners ??= []).push(bound);
    const close = (): void => {
      if (!this.listeners?.includes(bound)) return;
      this.listeners = this.listeners.filter((b) => b !== bound);
      bound.hide?.();
    };
    return { address: { ip: bound.ip, port: bound.port }, close };
  }

  udp(at: Endpoint, onMessage: OnMessage): UdpSocket {
    const place = this.bind(at, this.sockets);
    const bound: BoundUdp = { ...place, onMessage, hide: this.show('UDP', place) };
    (this.sockets ??= []).push(bound);
    return {
      address: { ip: bound.ip, port: bound.port },
      send: (bytes, to) => {
        const target = { ip: normalizeIp(to.ip), port: to.port };
        const source = { ip: bound.ip || this.sourceFor(target.ip), port: bound.port };
        if (!this.closed) this.uplink.sendDatagram({ from: this, source, to: target, bytes });
      },
      close: () => {
        if (!this.sockets?.includes(bound)) return;
        this.sockets = this.sockets.filter((b) => b !== bound);
        bound.hide?.();
      },
    };
  }

  listenerAt(at: Endpoint): BoundListener | undefined {
    return find(this.listeners, at);
  }

  udpAt(at: Endpoint): BoundUdp | undefined {
    return find(this.sockets, at);
  }

  /** Our address for talking to `ip`: of its family, loopback for loopback. */
  sourceFor(ip: string): string {
    if (isLoopback(ip)) return ip === '::1' ? '::1' : '127.0.0.1';
    if (this.ips.includes(ip)) return ip;
    const v6 = ip.includes(':');
    return this.ips.find((own) => own.includes(':') === v6) ?? this.ips[0] ?? '127.0.0.1';
  }

  ephemeralPort(): number {
    const port = firstEphemeral + this.nextPort;
    this.nextPort = (this.nextPort + 1) % (lastEphemeral - firstEphemeral + 1);
    return port;
  }

  /** Remembers an open end so that losing the stack resets it; the returned function forgets it. */
  track(conn: Conn): () => void {
    (this.conns ??= new Set()).add(conn);
    return () => void this.conns?.delete(conn);
  }

  /** Ends everything at once: the other ends see resets. */
  close(): void {
    this.closed = true;
    for (const bound of [...(this.listeners ?? []), ...(this.sockets ?? [])]) bound.hide?.();
    this.listeners = undefined;
    this.sockets = undefined;
    for (const conn of this.conns ?? []) conn.close(new NetError('ECONNRESET', 'network namespace is gone'));
    this.conns = undefined;
  }

  get openConnections(): number {
    return this.conns?.size ?? 0;
  }

  /** Loopback is nobody else's business. */
  private show(protocol: 'TCP' | 'UDP', { ip, port }: Bound): (() => void) | undefined {
    return isLoopback(ip) ? undefined : this.uplink.bound(protocol, ip === '' ? this.ips : [ip], port);
  }

  private bind(at: Endpoint, bound: readonly Bound[] | undefined): Bound {
    if (this.closed) throw new NetError('EADDRNOTAVAIL', 'network namespace is gone');
    const ip = at.ip === '0.0.0.0' || at.ip === '::' ? '' : at.ip === 'localhost' ? '127.0.0.1' : normalizeIp(at.ip);
    if (ip !== '' && !isLoopback(ip) && !this.ips.includes(ip)) {
      throw new NetError('EADDRNOTAVAIL', `listen ${ip}:${at.port}: cannot assign requested address`);
    }
    const taken = (port: number): boolean => !!bound?.some((b) => b.port === port && (b.ip === '' || ip === '' || b.ip === ip));
    if (at.port !== 0) {
      if (taken(at.port)) throw new NetError('EADDRINUSE', `listen ${ip || '0.0.0.0'}:${at.port}: address already in use`);
      return { ip, port: at.port };
    }
    for (let tries = lastEphemeral - firstEphemeral; tries >= 0; tries--) {
      const port = this.ephemeralPort();
      if (!taken(port)) return { ip, port };
    }
    throw new NetError('EADDRINUSE', 'no free port');
  }
}
