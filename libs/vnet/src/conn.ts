import type { Link } from './faults.ts';
import { type Conn, type Endpoint, NetError } from './net.ts';

/** Bytes that one direction holds before a writer waits. */
const highWaterBytes = 256 * 1024;

type Item = Uint8Array | 'end' | NetError;

/** One direction of a connection: a queue with one reader, whose writers wait when it is full. */
class Half {
  private readonly chunks: Uint8Array[] = [];
  private size = 0;
  private ended = false;
  private failure: NetError | undefined;
  private wakeReader: (() => void) | undefined;
  private wakeWriters: (() => void)[] = [];

  deliver(item: Item): void {
    if (this.ended || this.failure) return;
    if (item === 'end') this.ended = true;
    else if (item instanceof NetError) this.fail(item);
    else this.chunks.push(item);
    this.wakeReader?.();
  }

  /** Counts bytes as soon as they are written, so that bytes on a slow link hold writers back too. */
  reserve(bytes: number): void {
    this.size += bytes;
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.chunks.shift();
      if (chunk) {
        this.size -= chunk.length;
        if (this.size < highWaterBytes) this.releaseWriters();
        return chunk;
      }
      if (this.failure) throw this.failure;
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
      this.wakeReader = undefined;
    }
  }

  async room(): Promise<void> {
    while (this.size >= highWaterBytes && !this.failure) {
      await new Promise<void>((resolve) => this.wakeWriters.push(resolve));
    }
  }

  fail(error: NetError): void {
    if (this.failure) return;
    this.failure = error;
    this.chunks.length = 0;
    this.size = 0;
    this.wakeReader?.();
    this.releaseWriters();
  }

  private releaseWriters(): void {
    const waiting = this.wakeWriters;
    if (!waiting.length) return;
    this.wakeWriters = [];
    for (const wake of waiting) wake();
  }
}

interface End extends Conn {
  readonly incoming: Half;
  /** Set once either side closed the whole connection. */
  gone: NetError | undefined;
  peer: End | undefined;
  onClose: (() => void) | undefined;
  writeEnded: boolean;
}

function reset(message: string): NetError {
  return new NetError('ECONNRESET', message);
}

function createEnd(options: { local: Endpoint; remote: Endpoint; link: Link | undefined }): End {
  const { local, remote, link } = options;
  const send = (item: Item): void => {
    const to = end.peer?.incoming;
    if (!to) return;
    if (link) link.carry(local.ip + local.port, () => to.deliver(item), item instanceof Uint8Array ? item.length : 0);
    else to.deliver(item);
  };
  const end: End = {
    local,
    remote,
    incoming: new Half(),
    gone: undefined,
    peer: undefined,
    onClose: undefined,
    writeEnded: false,
    read: () => end.incoming.read(),
    async write(bytes) {
      if (end.gone) throw end.gone;
      if (end.writeEnded) throw new NetError('EPIPE', 'write after end');
      if (!bytes.length) return;
      const to = end.peer?.incoming;
      to?.reserve(bytes.length);
      send(bytes);
      await to?.room();
      if (end.gone) throw end.gone as NetError;
    },
    closeWrite() {
      if (!end.writeEnded && !end.gone) {
        end.writeEnded = true;
        send('end');
        if (end.peer?.writeEnded) {
          end.onClose?.();
          end.peer.onClose?.();
        }
      }
      return Promise.resolve();
    },
    close(error) {
      if (end.gone) return;
      end.gone = new NetError('EPIPE', 'connection closed');
      end.incoming.fail(end.gone);
      const other = end.peer;
      const closeOther = (): void => {
        if (!other || other.gone) return;
        other.gone = error ? reset(`read ${other.local.ip}:${other.local.port}: connection reset by peer`) : new NetError('EPIPE', 'broken pipe');
        other.incoming.deliver(error ? other.gone : 'end');
        end.incoming.fail(end.gone as NetError);
        other.onClose?.();
      };
      if (link) link.carry(local.ip + local.port, closeOther);
      else closeOther();
      end.onClose?.();
    },
  };
  return end;
}

export interface ConnPair {
  readonly client: Conn;
  readonly server: Conn;
  /** Called when the end is closed, by itself or by the other end, or both halves have ended. May be called twice. */
  onClientClose(fn: () => void): void;
  onServerClose(fn: () => void): void;
}

/**
 * Two ends of a connection, `link` being the path from the client to the server. `clientRemote` is what the client dialled (a service address, say), `server` what the
 * server sees. Chunks pass by reference: whoever writes must not change the bytes afterwards. A full `close()` without
 * error lets the other end read what was sent, then see the end; with an error it sees ECONNRESET at once.
 */
export function connPair(options: { client: Endpoint; clientRemote: Endpoint; server: Endpoint; link?: Link | undefined }): ConnPair {
  const client = createEnd({ local: options.client, remote: options.clientRemote, link: options.link });
  const server = createEnd({ local: options.server, remote: options.client, link: options.link?.back });
  client.peer = server;
  server.peer = client;
  return {
    client,
    server,
    onClientClose: (fn) => void (client.onClose = fn),
    onServerClose: (fn) => void (server.onClose = fn),
  };
}
