import { type IncomingMessage, type Server, type ServerResponse, createServer as createHttpServer } from 'node:http';
import { type Server as TcpServer, type Socket, connect, createServer } from 'node:net';
import { nodeDisk, realEnv, serveGrpc } from '@orrery/node-io';
import type { Component, Disk } from '@orrery/runtime';
import { type Store, type StoreConfig, createStore } from '@orrery/store/component';
import { UserError } from '../user-error.ts';
import { liveUntilTold } from './lifetime.ts';
import { type Flags, type KnownFlag, flagsHelp, last, readFlags } from './upstream-flags.ts';

const effective: readonly KnownFlag[] = [
  { name: 'data-dir', help: 'directory of the data' },
  { name: 'listen-client-urls', help: 'http://host:port to serve clients on' },
  { name: 'name', help: 'name of this member' },
  { name: 'unsafe-no-fsync', boolean: true, help: 'do not wait for the disk: faster, and nothing is safe from a power cut' },
  { name: 'quota-backend-bytes', help: 'bytes of data beyond which the NOSPACE alarm goes on' },
  { name: 'max-txn-ops', help: 'most operations in one transaction' },
  { name: 'max-request-bytes', help: 'most bytes in one request' },
  { name: 'snapshot-count', help: 'log entries after which a snapshot is taken' },
];

/** Of a member alone these have nothing to say. */
const withoutEffect = ['advertise-client-urls', 'listen-peer-urls', 'initial-advertise-peer-urls', 'initial-cluster', 'initial-cluster-state', 'initial-cluster-token', 'listen-metrics-urls', 'log-level', 'logger', 'log-outputs', 'log-format', 'auto-compaction-mode', 'auto-compaction-retention', 'heartbeat-interval', 'election-timeout', 'max-wals', 'max-snapshots', 'wal-dir', 'strict-reconfig-check', 'pre-vote', 'enable-pprof', 'metrics', 'enable-v2', 'cors', 'host-whitelist', 'backend-batch-limit', 'backend-batch-interval', 'max-concurrent-streams', 'proxy'];
const booleans = new Set(['strict-reconfig-check', 'pre-vote', 'enable-pprof', 'enable-v2']);

export const etcdFlags: readonly KnownFlag[] = [...effective, ...withoutEffect.map((name) => ({ name, boolean: booleans.has(name), help: 'accepted, without effect' }))];

function addressOf(text: string): { host: string; port: number } {
  const url = URL.parse(text);
  if (url?.protocol !== 'http:') throw new UserError(`expected a URL such as http://127.0.0.1:2379, not ${JSON.stringify(text)}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}

export interface EtcdSettings {
  readonly config: Partial<StoreConfig>;
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  readonly noFsync: boolean;
}

/** What etcd's flags come to. */
export function etcdSettings(flags: Flags): EtcdSettings {
  const number = (name: string, key: keyof StoreConfig): Partial<StoreConfig> => {
    const text = last(flags, name);
    if (text === undefined) return {};
    if (!/^\d+$/.test(text)) throw new UserError(`invalid value ${JSON.stringify(text)} for flag -${name}: parse error`);
    return { [key]: Number(text) };
  };
  const listen = (last(flags, 'listen-client-urls') ?? 'http://localhost:2379').split(',').map(addressOf);
  const config = { dataDir: last(flags, 'data-dir') ?? 'default.etcd', name: last(flags, 'name') ?? 'default', ...number('quota-backend-bytes', 'quotaBackendBytes'), ...number('max-txn-ops', 'maxTxnOps'), ...number('max-request-bytes', 'maxRequestBytes'), ...number('snapshot-count', 'snapshotCount') };
  return { config, listen, noFsync: last(flags, 'unsafe-no-fsync') === 'true' };
}

/** A disk that is taken at its word. */
function unsynced(disk: Disk): Disk {
  return {
    ...disk,
    syncDir: () => Promise.resolve(),
    async open(path, { create }) {
      const file = await disk.open(path, { create });
      return { get size() { return file.size; }, append: (chunks) => file.append(chunks), sync: () => Promise.resolve(), truncate: (size) => file.truncate(size), close: () => file.close() };
    },
  };
}

const versionBody = { etcdserver: '3.5.21', etcdcluster: '3.5.0' };

function page(store: Store, request: IncomingMessage, response: ServerResponse): void {
  const send = (code: number, body: object): void => void response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const path = (request.url ?? '').split('?')[0];
  if (path === '/health' || path === '/readyz' || path === '/livez') send(store.ready() ? 200 : 503, store.ready() ? { health: 'true', reason: '' } : { health: 'false', reason: 'RAFT NO LEADER' });
  else if (path === '/version') send(200, versionBody);
  else response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
}

/** The first bytes of an HTTP/2 connection, by which gRPC is told from the pages over HTTP/1.1 on the same port. */
const http2Preface = 'PRI * HTTP/2';

/** gRPC and pages on one port, as etcd has them. */
function front(listen: { host: string; port: number }, store: Store): Component {
  const pages: Server = createHttpServer((request, response) => page(store, request, response));
  const sockets = new Set<Socket>();
  let server: TcpServer | undefined;
  const accept = (socket: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      const first = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
      socket.unshift(first);
      if (!first.toString('latin1', 0, http2Preface.length).startsWith(http2Preface.slice(0, first.length)) || first.length === 0) {
        pages.emit('connection', socket);
        return;
      }
      const [host = '', port = ''] = (store.addresses[0] ?? '').split(':');
      const inner = connect({ host, port: Number(port), noDelay: true });
      inner.on('error', () => socket.destroy());
      inner.on('close', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      socket.pipe(inner).pipe(socket);
    });
  };
  return {
    name: 'front',
    ready: () => server?.listening ?? false,
    start: () =>
      new Promise((resolve, reject) => {
        server = createServer({ noDelay: true }, accept).once('error', reject).listen(listen.port, listen.host, () => resolve());
      }),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    },
  };
}

/** `etcd`, as envtest starts it. */
export async function runEtcd(words: readonly string[]): Promise<void> {
  if (words.some((word) => /^--?(help|h)$/.test(word))) return void process.stdout.write(flagsHelp('etcd: a member of its own, played by Orrery', etcdFlags));
  if (words.some((word) => /^--?version$/.test(word))) return void process.stdout.write(`etcd Version: ${versionBody.etcdserver}\n`);
  const settings = etcdSettings(readFlags(words, etcdFlags, (word) => `flag provided but not defined: ${word}`));
  const env = realEnv({ name: 'etcd', level: 'warn' });
  const store = createStore(env, { disk: settings.noFsync ? unsynced(nodeDisk) : nodeDisk, serveGrpc }, { ...settings.config, listenClient: ['127.0.0.1:0'] });
  await liveUntilTold([store, ...settings.listen.map((at) => front(at, store))]);
}
