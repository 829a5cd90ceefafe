import { type Server, type Socket, connect, createServer } from 'node:net';
import type { Clock, Logger } from '@orrery/runtime';

/** What a check found: it takes requests; it answers but wants no new ones (it starts, or stops); it does not answer. */
export type Health = 'ready' | 'unready' | 'away';

export interface BalancerOptions {
  /** `host:port` to listen on; port 0 picks one. */
  readonly listen: string;
  /** `host:port` of each server. */
  readonly servers: readonly string[];
  /** Asks one server how it is; must end in a few seconds and not reject. */
  check(server: string): Promise<Health>;
  readonly clock: Pick<Clock, 'every'>;
  readonly log: Logger;
  /** Between two checks of a server. */
  readonly intervalMs?: number;
  /** Others may listen on the same port meanwhile (SO_REUSEPORT, which they have to want, too): the one that takes over from this one. */
  readonly reusePort?: boolean;
}

export interface Balancer {
  /** Resolves with the port once it listens and every server was asked. */
  start(): Promise<number>;
  /** Takes no new connections; resolves once those there are have ended by themselves. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

interface Backend {
  readonly server: string;
  health: Health;
  /** Checks in a row without an answer. */
  silences: number;
  isAsked: boolean;
  readonly open: Set<Socket>;
  /** Bytes that connections which have ended had brought from it. */
  heardBefore: number;
}

/** Bytes that have come from it so far. */
function heard({ open, heardBefore }: Backend): number {
  let bytes = heardBefore;
  for (const socket of open) bytes += socket.bytesRead;
  return bytes;
}

/** One missed answer may be a busy machine; it is asked again at once. */
const silencesToBeAway = 2;
const connectTimeoutMs = 2_000;

export function hostPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

/** The order in which a new connection tries the servers: the ready ones before the others, each kind by how few connections it has. */
export function inOrder<T extends { readonly health: Health; readonly open: { readonly size: number } }>(backends: readonly T[]): T[] {
  const rank = { ready: 0, unready: 1, away: 2 } as const;
  return [...backends].sort((a, b) => rank[a.health] - rank[b.health] || a.open.size - b.open.size);
}

function connectTo(server: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...hostPort(server), noDelay: true, allowHalfOpen: true });
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function join(client: Socket, upstream: Socket): void {
  for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
    // Its connection ended badly: so does the other.
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroySoon());
    one.pipe(other);
  }
}

/**
 * Passes TCP connections on to the servers that are well, as a load balancer before API servers does: those that are ready first, the one
 * with the fewest connections. A connection that cannot be made goes to the next server. When a server stops answering and telling anything while another is
 * ready, its connections are cut, so that clients come again and are sent there; one that shuts down in order keeps those it has.
 */
export function createBalancer(options: BalancerOptions): Balancer {
  const { log, clock } = options;
  const backends: Backend[] = options.servers.map((server) => ({ server, health: 'away', silences: 0, isAsked: false, open: new Set(), heardBefore: 0 }));
  let timer: { cancel(): void } | undefined;
  let listener: Server | undefined;
  const clients = new Set<Socket>();

  const cutHanging = (): void => {
    if (!backends.some(({ health }) => health === 'ready')) return;
    for (const { health, open } of backends) if (health === 'away') for (const socket of open) socket.destroy();
  };
  const ask = async (backend: Backend): Promise<void> => {
    if (backend.isAsked) return;
    backend.isAsked = true;
    const before = heard(backend);
    const answer = await options.check(backend.server);
    backend.isAsked = false;
    // Who goes on telling others what they asked for is slow, and does not hang.
    const found = answer === 'away' && heard(backend) > before ? 'unready' : answer;
    backend.silences = found === 'away' ? backend.silences + 1 : 0;
    if (found === 'away' && backend.silences < silencesToBeAway) return ask(backend);
    if (found !== backend.health) log.info('a server changed', { server: backend.server, health: found });
    backend.health = found;
    cutHanging();
  };
  const serve = async (client: Socket): Promise<void> => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    let isGone = false;
    const gone = (): void => void (isGone = true);
    client.once('error', gone);
    for (const backend of inOrder(backends)) {
      const upstream = await connectTo(backend.server).catch(() => undefined);
      if (!upstream) continue;
      if (isGone || client.destroyed) return void upstream.destroy();
      client.off('error', gone);
      backend.open.add(upstream);
      upstream.on('close', () => {
        backend.heardBefore += upstream.bytesRead;
        backend.open.delete(upstream);
      });
      return join(client, upstream);
    }
    log.warn('no server takes connections', { servers: options.servers });
    client.destroy();
  };
  // Of one that has stopped listening, too: it calls back once all connections have ended.
  const closed = (): Promise<void> => new Promise((resolve) => (listener ? listener.close(() => resolve()) : resolve()));
  return {
    async start() {
      await Promise.all(backends.map(ask));
      timer = clock.every(options.intervalMs ?? 1_000, () => void Promise.all(backends.map(ask)));
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void serve(client));
      listener = server;
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ ...hostPort(options.listen), reusePort: options.reusePort ?? false }, () => resolve()));
      return (server.address() as { port: number }).port;
    },
    drain: closed,
    async stop() {
      timer?.cancel();
      for (const socket of clients) socket.destroy();
      for (const { open } of backends) for (const socket of open) socket.destroy();
      await closed();
    },
  };
}
