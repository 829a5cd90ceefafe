import { type RemoteInfo, type Socket as UdpSocket, createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';

/** Answers whole DNS messages; undefined stays silent. */
export interface DnsAnswerer {
  answer(message: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined>;
}

function splitAddress(address: string, defaultPort: number): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? { host: address, port: defaultPort } : { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

function bindUdp(socket: UdpSocket, at: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(at.port, at.host, () => {
      socket.off('error', reject);
      resolve(socket.address().port);
    });
  });
}

function serveStream(answerer: DnsAnswerer, socket: Socket): void {
  let pending: Buffer = Buffer.alloc(0);
  let chain: Promise<void> = Promise.resolve();
  const answer = async (message: Buffer): Promise<void> => {
    const reply = await answerer.answer(message, 'tcp');
    if (!reply) return void socket.destroy();
    const length = Buffer.alloc(2);
    length.writeUInt16BE(reply.length);
    socket.write(Buffer.concat([length, reply]));
  };
  socket.setTimeout(30_000, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const message = pending.subarray(2, end);
      pending = pending.subarray(end);
      chain = chain.then(() => answer(message)).catch(() => void socket.destroy());
    }
  });
}

/** How often a free port of TCP is asked for that UDP has free as well. */
const portAttempts = 20;

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EADDRINUSE';

/** Serves DNS on this machine, UDP and TCP on the same port. `address` is `host:port`; port 0 picks one. */
export function hostDns(address: string): { listen(answerer: DnsAnswerer): Promise<string>; close(): Promise<void> } {
  const at = splitAddress(address, 53);
  const newUdp = (): UdpSocket => createSocket({ type: at.host.includes(':') ? 'udp6' : 'udp4' });
  let udp = newUdp();
  let tcp: Server | undefined;
  const sockets = new Set<Socket>();

  const bind = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(at.port, at.host, resolve));
    const { port } = server.address() as { port: number };
    return bindUdp(udp, { host: at.host, port });
  };

  return {
    async listen(answerer) {
      const serve = (socket: Socket): void => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        serveStream(answerer, socket);
      };
      let port: number | undefined;
      for (let attempt = 1; port === undefined; attempt++) {
        tcp = createServer(serve);
        try {
          port = await bind(tcp);
        } catch (error) {
          if (at.port !== 0 || attempt >= portAttempts || !isTaken(error)) throw error;
          // Free for one of the two only: another port.
          tcp.close();
          udp.close();
          udp = newUdp();
        }
      }
      udp.on('message', (message: Buffer, from: RemoteInfo) => {
        answerer.answer(message, 'udp').then(
          (reply) => reply && udp.send(reply, from.port, from.address),
          () => undefined,
        );
      });
      udp.on('error', () => undefined);
      return `${at.host}:${port}`;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => (tcp ? tcp.close(() => resolve()) : resolve()));
      await new Promise<void>((resolve) => {
        try {
          udp.close(() => resolve());
        } catch {
          // Never bound.
          resolve();
        }
      });
    },
  };
}

function askUdp(server: { host: string; port: number }, message: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4');
    const done = (finish: () => void): void => {
      clearTimeout(timer);
      socket.close();
      finish();
    };
    const timer = setTimeout(() => done(() => reject(new Error(`${server.host}:${server.port} does not answer`))), timeoutMs);
    socket.on('error', (error) => done(() => reject(error)));
    socket.on('message', (reply: Buffer) => {
      if (reply.length >= 2 && reply[0] === message[0] && reply[1] === message[1]) done(() => resolve(reply));
    });
    socket.send(message, server.port, server.host);
  });
}

function askTcp(server: { host: string; port: number }, message: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host);
    let pending: Buffer = Buffer.alloc(0);
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`${server.host}:${server.port} does not answer`)));
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      if (pending.length < 2 || pending.length < 2 + pending.readUInt16BE(0)) return;
      resolve(pending.subarray(2, 2 + pending.readUInt16BE(0)));
      socket.destroy();
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
  });
}

/** Asks name servers (`host` or `host:port`) in order, by UDP and, when the reply is truncated, by TCP. */
export function dnsUpstream(servers: readonly string[], timeoutMs = 2_000): { query(message: Uint8Array): Promise<Uint8Array> } {
  const targets = servers.map((server) => splitAddress(server, 53));
  return {
    async query(message) {
      let failure: unknown = new Error('no upstream name server is configured');
      for (const target of targets) {
        try {
          const reply = await askUdp(target, message, timeoutMs);
          const truncated = ((reply[2] ?? 0) & 0x02) !== 0;
          return truncated ? await askTcp(target, message, timeoutMs) : reply;
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    },
  };
}

/** The name servers this machine uses, from /etc/resolv.conf; empty where there is none. */
export function systemNameServers(): string[] {
  try {
    const lines = readFileSync('/etc/resolv.conf', 'utf8').split('\n');
    return lines.flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}
