import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { type Socket, createConnection, createServer } from 'node:net';

export interface Targets {
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[];
  /** 0: none. */
  readonly affinitySeconds: number;
}

/** A port of this machine behind which a proxy in user space stands. */
export interface Forwarder {
  readonly port: number;
  /** Connections in place stay; datagrams go to the new endpoints at once. */
  update(targets: Targets): void;
  close(): void;
}

/** As the userspace proxy of old: how often an endpoint that does not answer is passed over, and how long a client of UDP is remembered. */
const dialMs = [250, 500, 1_000, 2_000];
const udpIdleMs = 250_000;

/** Endpoints in turn, or for a client the one it had. */
class Rotation {
  private targets: Targets = { endpoints: [], affinitySeconds: 0 };
  private next = 0;
  private readonly clients = new Map<string, { endpoint: Targets['endpoints'][number]; until: number }>();

  update(targets: Targets): void {
    this.targets = targets;
    for (const [client, { endpoint }] of this.clients) if (!this.has(endpoint)) this.clients.delete(client);
  }

  has({ ip, port }: { ip: string; port: number }): boolean {
    return this.targets.endpoints.some((e) => e.ip === ip && e.port === port);
  }

  pick(client: string, another: boolean): Targets['endpoints'][number] | undefined {
    const { endpoints, affinitySeconds } = this.targets;
    const now = performance.now();
    const known = this.clients.get(client);
    const drawn = known && known.until > now && !another ? known.endpoint : endpoints[this.next++ % Math.max(1, endpoints.length)];
    if (drawn && affinitySeconds) this.clients.set(client, { endpoint: drawn, until: now + affinitySeconds * 1000 });
    return drawn;
  }
}

function connect(to: { ip: string; port: number }, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: to.ip, port: to.port, allowHalfOpen: true });
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), timeoutMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

async function forward(client: Socket, rotation: Rotation): Promise<void> {
  client.on('error', () => client.destroy());
  for (const [attempt, timeoutMs] of dialMs.entries()) {
    const endpoint = rotation.pick(client.remoteAddress ?? '', attempt > 0);
    const server = endpoint && (await connect(endpoint, timeoutMs).catch(() => undefined));
    if (!server) continue;
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    client.pipe(server);
    server.pipe(client);
    return;
  }
  client.resetAndDestroy();
}

function openTcp(): Promise<Forwarder> {
  const rotation = new Rotation();
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    void forward(client, rotation);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen({ host: '::', port: 0 }, () => {
      const address = server.address();
      const close = (): void => {
        server.close();
        for (const client of clients) client.destroy();
      };
      resolve({ port: typeof address === 'object' && address ? address.port : 0, update: (targets) => rotation.update(targets), close });
    });
  });
}

interface UdpClient {
  readonly socket: DatagramSocket;
  readonly endpoint: { readonly ip: string; readonly port: number };
  idle: NodeJS.Timeout;
}

function openUdp(): Promise<Forwarder> {
  const rotation = new Rotation();
  const clients = new Map<string, UdpClient>();
  const server = createSocket('udp6');
  const forget = (key: string): void => {
    const client = clients.get(key);
    if (client) clearTimeout(client.idle);
    client?.socket.close();
    clients.delete(key);
  };
  const clientOf = (key: string, from: { address: string; port: number }): UdpClient | undefined => {
    const known = clients.get(key);
    if (known) return known;
    const endpoint = rotation.pick(from.address, false);
    if (!endpoint) return undefined;
    const socket = createSocket(endpoint.ip.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (message) => server.send(message, from.port, from.address));
    socket.on('error', () => forget(key));
    const client: UdpClient = { socket, endpoint, idle: setTimeout(() => forget(key), udpIdleMs) };
    clients.set(key, client);
    return client;
  };
  server.on('message', (message, from) => {
    const key = `${from.address}|${from.port}`;
    const client = clientOf(key, from);
    if (!client) return;
    client.idle.refresh();
    client.socket.send(message, client.endpoint.port, client.endpoint.ip);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject).bind(0, '::', () => {
      const update = (targets: Targets): void => {
        rotation.update(targets);
        for (const [key, { endpoint }] of [...clients]) if (!rotation.has(endpoint)) forget(key);
      };
      const close = (): void => {
        for (const key of [...clients.keys()]) forget(key);
        server.close();
      };
      resolve({ port: server.address().port, update, close });
    });
  });
}

export function openForwarder(protocol: 'TCP' | 'UDP'): Promise<Forwarder> {
  return protocol === 'TCP' ? openTcp() : openUdp();
}
