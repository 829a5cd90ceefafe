/**
 * The network as an emulated program sees it, in the manner of Go's `net`: streams that are read and written, with
 * half-close. Everything is at the level of connections and datagrams; there are no packets.
 */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

export interface Conn {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** The next bytes, or undefined when the other end has closed its half. One reader at a time. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when the bytes are accepted; slow readers hold it back. Rejects with NetError once the other end is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends our half; the other end reads to its end and may still write. */
  closeWrite(): Promise<void>;
  /** Ends both halves at once. With an error the other end sees ECONNRESET. */
  close(error?: Error): void;
}

export type NetErrorCode = 'ECONNREFUSED' | 'ETIMEDOUT' | 'EHOSTUNREACH' | 'ECONNRESET' | 'EADDRINUSE' | 'EADDRNOTAVAIL' | 'EPIPE';

export class NetError extends Error {
  readonly code: NetErrorCode;

  constructor(code: NetErrorCode, message: string) {
    super(message);
    this.name = 'NetError';
    this.code = code;
  }
}

export interface Listener {
  readonly address: Endpoint;
  close(): void;
}

export interface UdpSocket {
  readonly address: Endpoint;
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): void;
}

export interface DialOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** Who the other side is to see instead of us: a client beyond the network, for whom we only pass on. Default: an address and a port of our own. */
  readonly source?: Endpoint;
}

/** A network namespace: one pod, one node, or a component that joined the network. */
export interface NetStack {
  /** Its addresses, the primary one first. */
  readonly ips: readonly string[];
  /** Connects; refused with ECONNREFUSED, no route or node down with EHOSTUNREACH or, after its time, ETIMEDOUT. */
  dial(to: Endpoint, options?: DialOptions): Promise<Conn>;
  /** `ip` '' listens on all addresses of the stack, including 127.0.0.1; port 0 picks one. */
  listen(at: Endpoint, onConn: (conn: Conn) => void): Listener;
  udp(at: Endpoint, onMessage: (bytes: Uint8Array, from: Endpoint) => void): UdpSocket;
}
