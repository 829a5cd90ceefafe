import { type IncomingMessage, type Server, createServer } from 'node:http';
import { type Socket, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { realClock } from '@orrery/node-io';
import { type ByteStream, type RemoteCommandSession, acceptRemoteCommand, commandStreams, proxyUpgrade, servePortForward, streamOfSocket } from '../src/index.ts';

function streamOfDuplex(socket: Duplex, head: Buffer): ByteStream {
  if (head.length) socket.unshift(head);
  return streamOfSocket({
    write: (bytes) => socket.write(bytes),
    drained: () => new Promise((resolve) => void socket.once('drain', resolve).once('close', resolve)),
    end: () => void socket.end(),
    get closed() {
      return socket.destroyed;
    },
    readable: socket as AsyncIterable<Uint8Array>,
    destroy: () => void (socket.writableEnded ? (socket as Socket).destroySoon() : socket.destroy()),
  });
}

/** `cat`, `exit N`, `size`, `both`, `big N`, `tar` stand in for programs. */
async function run(command: readonly string[], session: RemoteCommandSession): Promise<number> {
  const [name, arg] = command;
  const text = (value: string): Buffer => Buffer.from(value);
  switch (name) {
    case 'cat':
      for (let bytes = await session.stdin.read(); bytes; bytes = await session.stdin.read()) await session.stdout.write(bytes);
      return 0;
    case 'tar': {
      let size = 0;
      for (let bytes = await session.stdin.read(); bytes; bytes = await session.stdin.read()) size += bytes.length;
      await session.stderr.write(text(`received ${size}\n`));
      return size > 0 ? 0 : 1;
    }
    case 'both':
      await session.stdout.write(text('to stdout\n'));
      await session.stderr.write(text('to stderr\n'));
      return 0;
    case 'big':
      await session.stdout.write(Buffer.alloc(Number(arg), 'x'));
      return 0;
    case 'size':
      for await (const { width, height } of session.resizes) {
        await session.stdout.write(text(`size ${width}x${height}\n`));
        break;
      }
      return 0;
    default:
      return Number(arg ?? 0);
  }
}

async function stream(request: IncomingMessage, client: ByteStream): Promise<void> {
  const url = new URL(request.url ?? '', 'http://localhost');
  const upgrade = { method: request.method ?? '', url: request.url ?? '', headers: request.headers };
  if (/\/portforward/i.test(url.pathname)) {
    const dial = async (port: number): Promise<ByteStream> => {
      if (port === 81) throw new Error('connection refused');
      return echo();
    };
    await servePortForward(upgrade, { stream: client, dial, clock: realClock });
    return;
  }
  const session = await acceptRemoteCommand(upgrade, { stream: client, streams: commandStreams(url.searchParams), clock: realClock });
  if (!session) return;
  await session.exit({ exitCode: await run(url.searchParams.getAll('command'), session) });
}

/** Answers one HTTP request, then ends. */
function echo(): ByteStream {
  let reply: Buffer | undefined = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello');
  let asked = (): void => undefined;
  const request = new Promise<void>((resolve) => (asked = resolve));
  return {
    async read() {
      await request;
      const bytes = reply;
      reply = undefined;
      return bytes;
    },
    write: async () => asked(),
    closeWrite: async () => asked(),
    close: () => asked(),
  };
}

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default', uid: 'u' }, spec: { containers: [{ name: 'c', image: 'i', stdin: true, tty: true }] }, status: { phase: 'Running' } };
const pods = { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list'], shortNames: ['po'] };

function answer(path: string): object {
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: [] };
  if (path === '/api/v1') return { kind: 'APIResourceList', groupVersion: 'v1', resources: [pods] };
  return pod;
}

export interface Listening {
  readonly port: number;
  close(): void;
}

type UpgradeHandler = (request: IncomingMessage, client: ByteStream) => Promise<unknown>;

function onUpgrades(server: Server, handle: UpgradeHandler): void {
  server.on('upgrade', (request, socket, head) => {
    const client = streamOfDuplex(socket, head);
    socket.on('error', () => socket.destroy());
    handle(request, client).catch((error: Error) => client.close(error));
  });
}

/** Lets an HTTP(S) server of a test serve exec, attach and port-forward. */
export const serveStreaming = (server: Server): void => onUpgrades(server, stream);

async function listen(handle: UpgradeHandler): Promise<Listening> {
  const sockets = new Set<Duplex>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '', 'http://localhost').pathname;
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer(path)));
  });
  server.on('connection', (socket) => sockets.add(socket));
  onUpgrades(server, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A server with one pod `p` whose streams the library serves. */
export const listenStreaming = (): Promise<Listening> => listen(stream);

/** A server in front of another one that only passes upgrades on. */
export const listenProxy = (backendPort: number): Promise<Listening> =>
  listen((request, client) => {
    const socket = connect({ host: '127.0.0.1', port: backendPort, allowHalfOpen: true });
    return proxyUpgrade({ request: { method: request.method ?? '', url: request.url ?? '', headers: request.headers }, client, backend: streamOfDuplex(socket, Buffer.alloc(0)), host: 'backend' });
  });
