import { type RemoteInfo, type Socket as UdpSocket, createSocket } from 'node:dgram';
import { readFileSync, readdirSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Answers whole DNS messages; undefined stays silent. */
export interface DnsAnswerer {
  answer(message: Uint8Array, from: { readonly transport: 'udp' | 'tcp'; readonly client: { readonly ip: string; readonly port: number } }): Promise<Uint8Array | undefined>;
}

export interface DnsExchangeOptions {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly timeoutMs: number;
  readonly serverName?: string;
  /** PEM of who signs the server's certificate; without it the system's. */
  readonly ca?: string;
}

/** This machine as a DNS server sees it. */
export interface DnsHost {
  /** Whether an address to listen on was given. */
  readonly listens: boolean;
  /** UDP and TCP on the same port; `port` other than that of the address. */
  listen(answerer: DnsAnswerer, port?: number): Promise<{ readonly address: string; close(): Promise<void> }>;
  exchange(to: { readonly ip: string; readonly port: number }, message: Uint8Array, options: DnsExchangeOptions): Promise<Uint8Array>;
  readFile(path: string): string | undefined;
  /** Files a pattern matches, in order. */
  glob(pattern: string): readonly string[];
  environment(name: string): string | undefined;
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
    const reply = await answerer.answer(message, { transport: 'tcp', client: { ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 } });
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

async function bindBoth(at: { host: string; port: number }, serve: (socket: Socket) => void): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const udp = createSocket({ type: at.host.includes(':') ? 'udp6' : 'udp4' });
    const tcp = createServer(serve);
    try {
      await new Promise<void>((resolve, reject) => tcp.once('error', reject).listen(at.port, at.host, resolve));
      const { port } = tcp.address() as { port: number };
      return { udp, tcp, port: await bindUdp(udp, { host: at.host, port }) };
    } catch (error) {
      tcp.close();
      udp.close();
      // Free for one of the two only: another port.
      if (at.port !== 0 || attempt >= portAttempts || !isTaken(error)) throw error;
    }
  }
}

async function listenDns(at: { host: string; port: number }, answerer: DnsAnswerer): Promise<{ address: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const { udp, tcp, port } = await bindBoth(at, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveStream(answerer, socket);
  });
  let closed = false;
  udp.on('message', (message: Buffer, from: RemoteInfo) => {
    answerer.answer(message, { transport: 'udp', client: { ip: from.address, port: from.port } }).then(
      (reply) => reply && !closed && udp.send(reply, from.port, from.address),
      () => undefined,
    );
  });
  udp.on('error', () => undefined);
  return {
    address: `${at.host}:${port}`,
    async close() {
      if (closed) return;
      closed = true;
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => void tcp.close(() => resolve()));
      await new Promise<void>((resolve) => udp.close(() => resolve()));
    },
  };
}

function glob(pattern: string): string[] {
  const slash = pattern.lastIndexOf('/');
  const [directory, name] = [pattern.slice(0, slash + 1), pattern.slice(slash + 1)];
  const matches = new RegExp(`^${name.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`);
  try {
    return readdirSync(directory || '.')
      .filter((file) => matches.test(file))
      .sort()
      .map((file) => directory + file);
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** DNS on this machine. `address` is `host:port`; port 0 picks one; '' listens nowhere. */
export function hostDns(address: string): DnsHost {
  const at = splitAddress(address, 53);
  return {
    listens: address !== '',
    listen: (answerer, port) => listenDns({ ...at, port: port ?? at.port }, answerer),
    exchange: (to, message, how) => (how.transport === 'udp' ? askUdp({ host: to.ip, port: to.port }, message, how.timeoutMs) : askStream({ host: to.ip, port: to.port }, message, how)),
    readFile: readText,
    glob,
    environment: (name) => process.env[name],
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

function askStream(server: { host: string; port: number }, message: Uint8Array, how: Omit<DnsExchangeOptions, 'transport'> & { readonly transport?: string }): Promise<Uint8Array> {
  const { timeoutMs, serverName, ca } = how;
  return new Promise((resolve, reject) => {
    const socket = how.transport === 'tls' ? connectTls({ host: server.host, port: server.port, ...(serverName ? { servername: serverName } : {}), ...(ca ? { ca } : {}) }) : connect(server.port, server.host);
    const timer = setTimeout(() => socket.destroy(new Error(`${server.host}:${server.port} does not answer`)), timeoutMs);
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`${server.host}:${server.port} closed the connection`));
    });
    let pending: Buffer = Buffer.alloc(0);
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
          return truncated ? await askStream(target, message, { timeoutMs }) : reply;
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
