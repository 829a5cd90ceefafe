import { type Server, type Socket, connect, createServer } from 'node:net';
import { type RemoteInfo, createSocket } from 'node:dgram';
import { Duplex } from 'node:stream';
import { type Conn, type Endpoint, NetError } from '@orrery/vnet';

/**
 * A connection of the emulated network as a Node stream, so that node:http and node:tls can speak over it. Without `allowHalfOpen` it
 * closes once the other end has nothing more to say: what is kept for later requests must not be kept then.
 */
export function duplexOverConn(conn: Conn, { allowHalfOpen = true }: { allowHalfOpen?: boolean } = {}): Duplex {
  const stream = new Duplex({
    allowHalfOpen,
    read() {
      conn.read().then(
        (bytes) => stream.push(bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : null),
        (error: Error) => stream.destroy(error),
      );
    },
    write(chunk: Buffer, _encoding, done) {
      conn.write(chunk).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      conn.close(error ?? undefined);
      done(error);
    },
  });
  // node:http asks its sockets for these.
  const like: Pick<Socket, 'setTimeout' | 'setNoDelay' | 'setKeepAlive' | 'ref' | 'unref'> = {
    setTimeout: () => stream as Socket,
    setNoDelay: () => stream as Socket,
    setKeepAlive: () => stream as Socket,
    ref: () => stream as Socket,
    unref: () => stream as Socket,
  };
  return Object.assign(stream, like, { remoteAddress: conn.remote.ip, remotePort: conn.remote.port, localAddress: conn.local.ip, localPort: conn.local.port });
}

/** A Node socket as a connection of the emulated network. */
export function connOverSocket(socket: Socket): Conn {
  const chunks: Buffer[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  const end = (error?: Error): void => {
    ended = true;
    failure ??= error;
    notify();
  };
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    socket.pause();
    notify();
  });
  socket.on('end', () => end());
  socket.on('close', () => end());
  socket.on('error', (error) => end(error));
  const endpoint = (ip: string | undefined, port: number | undefined): Endpoint => ({ ip: ip ?? '', port: port ?? 0 });
  return {
    local: endpoint(socket.localAddress, socket.localPort),
    remote: endpoint(socket.remoteAddress, socket.remotePort),
    async read() {
      while (chunks.length === 0 && !ended) {
        socket.resume();
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const chunk = chunks.shift();
      if (!chunk && failure) throw failure;
      return chunk;
    },
    write: (bytes) => new Promise((resolve, reject) => void socket.write(bytes, (error) => (error ? reject(error) : resolve()))),
    closeWrite: () => new Promise((resolve) => void socket.end(() => resolve())),
    close: (error) => void (error ? socket.resetAndDestroy() : socket.destroy()),
  };
}

/** Connects on this machine. */
export function dialHost(to: { host: string; port: number }): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const socket = connect(to.port, to.host);
    socket.once('error', (error: NodeJS.ErrnoException) => reject(new NetError(error.code === 'ECONNREFUSED' ? 'ECONNREFUSED' : 'EHOSTUNREACH', error.message)));
    socket.once('connect', () => resolve(connOverSocket(socket)));
  });
}

/** Copies both ways until both halves have ended or either side fails. */
export function splice(a: Duplex, b: Duplex): void {
  const end = (): void => {
    a.destroy();
    b.destroy();
  };
  a.on('error', end);
  b.on('error', end);
  a.on('close', () => b.destroy());
  b.on('close', () => a.destroy());
  a.pipe(b);
  b.pipe(a);
}

export interface HostListener {
  /** `host:port` it listens on. */
  readonly endpoint: string;
  close(): Promise<void>;
}

function listening(server: Server, at: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve((server.address() as { port: number }).port);
    });
  });
}

/** Carries a connection that was accepted here, and is paused, into the emulated network. A dial that fails resets it. */
export function carryInto(socket: Socket, dial: (client: Endpoint) => Promise<Conn>): void {
  socket.on('error', () => socket.destroy());
  socket.setNoDelay(true);
  dial({ ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }).then(
    (conn) => {
      splice(socket, duplexOverConn(conn));
      socket.resume();
    },
    () => socket.resetAndDestroy(),
  );
}

/**
 * Listens on this machine (TCP) and carries every connection into the emulated network through `dial`. Rejects with the
 * system's error (EADDRINUSE, EACCES …) when it may not listen. A dial that fails resets the connection.
 */
export async function exposeOnHost(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostListener> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    carryInto(socket, dial);
  });
  const port = await listening(server, at);
  return {
    endpoint: `${at.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** The same for UDP: `open` gives each client a way to send; what comes back goes to that client. Idle clients are forgotten after a minute. */
export function exposeUdpOnHost(
  at: { host: string; port: number },
  open: (client: Endpoint, reply: (bytes: Uint8Array) => void) => { send(bytes: Uint8Array): void; close(): void },
): Promise<HostListener> {
  const socket = createSocket(at.host.includes(':') ? 'udp6' : 'udp4');
  const flows = new Map<string, { flow: ReturnType<typeof open>; timer: NodeJS.Timeout }>();
  const forget = (key: string): void => {
    flows.get(key)?.flow.close();
    flows.delete(key);
  };
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const key = `${from.address}/${from.port}`;
    let known = flows.get(key);
    if (!known) {
      const flow = open({ ip: from.address, port: from.port }, (reply) => socket.send(reply, from.port, from.address));
      known = { flow, timer: setTimeout(() => forget(key), 60_000).unref() };
      flows.set(key, known);
    }
    known.timer.refresh();
    known.flow.send(bytes);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(at.port, at.host, () => {
      socket.off('error', reject);
      socket.on('error', () => undefined);
      resolve({
        endpoint: `${at.host}:${socket.address().port}`,
        close: () =>
          new Promise((done) => {
            for (const key of [...flows.keys()]) forget(key);
            socket.close(() => done());
          }),
      });
    });
  });
}
