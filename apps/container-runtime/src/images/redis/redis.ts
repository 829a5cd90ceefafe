import { type Conn, NetError } from '@orrery/vnet';
import { lines } from '../../process/files.ts';
import type { Proc, Program } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { ImageDefinition } from '../define-image.ts';
import { type Reply, RespBuffer, encodeReply } from './resp.ts';
import { RedisStore } from './store.ts';

interface Server {
  readonly proc: Proc;
  readonly store: RedisStore;
  readonly password: string | undefined;
  readonly channels: Map<string, Set<Conn>>;
  readonly startedAtMs: number;
}

function info({ proc, store, startedAtMs }: Server): string {
  return `# Server\r\nredis_version:7.4.2\r\nredis_mode:standalone\r\nos:Linux\r\nprocess_id:${proc.pid}\r\ntcp_port:6379\r\nuptime_in_seconds:${Math.floor((proc.clock.now() - startedAtMs) / 1000)}\r\n\r\n# Clients\r\nconnected_clients:1\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\ndb0:keys=${String(store.run('DBSIZE', []))},expires=0,avg_ttl=0\r\n`;
}

function command(server: Server, words: readonly string[], session: { conn: Conn; authenticated: boolean; closing: boolean }): Reply {
  const [raw = '', ...args] = words;
  const name = raw.toUpperCase();
  if (name === 'AUTH') {
    if (server.password === undefined) return { error: 'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?' };
    session.authenticated = args.at(-1) === server.password;
    return session.authenticated ? { ok: 'OK' } : { error: 'WRONGPASS invalid username-password pair or user is disabled.' };
  }
  if (!session.authenticated && name !== 'QUIT' && name !== 'HELLO') return { error: 'NOAUTH Authentication required.' };
  switch (name) {
    case 'PING': return args[0] ?? { ok: 'PONG' };
    case 'ECHO': return args[0] ?? '';
    case 'SELECT': return { ok: 'OK' };
    case 'CLIENT':
    case 'COMMAND': return name === 'CLIENT' ? { ok: 'OK' } : [];
    case 'CONFIG': return args[0]?.toUpperCase() === 'GET' ? [args[1] ?? '', args[1] === 'maxmemory' ? '0' : ''] : { ok: 'OK' };
    case 'INFO': return info(server);
    case 'ROLE': return ['master', 0, []];
    case 'HELLO': return { error: 'NOPROTO unsupported protocol version' };
    case 'TIME': return [String(Math.floor(server.proc.clock.now() / 1000)), '0'];
    case 'SAVE':
    case 'BGSAVE': return { ok: 'OK' };
    case 'QUIT':
      session.closing = true;
      return { ok: 'OK' };
    case 'PUBLISH': {
      const receivers = server.channels.get(args[0] ?? '') ?? new Set();
      for (const conn of receivers) void conn.write(Buffer.from(encodeReply(['message', args[0] ?? '', args[1] ?? '']))).catch(() => receivers.delete(conn));
      return receivers.size;
    }
    case 'SUBSCRIBE': {
      const channel = args[0] ?? '';
      const receivers = server.channels.get(channel) ?? new Set();
      server.channels.set(channel, receivers.add(session.conn));
      return ['subscribe', channel, 1];
    }
    default: {
      const reply = server.store.run(name, args);
      return reply !== undefined ? reply : { error: `ERR unknown command '${raw}', with args beginning with: ${args.map((arg) => `'${arg}' `).join('')}` };
    }
  }
}

async function serve(server: Server, conn: Conn): Promise<void> {
  const buffer = new RespBuffer();
  const session = { conn, authenticated: server.password === undefined, closing: false };
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
    buffer.push(bytes);
    for (let request = buffer.take(); request !== undefined; request = buffer.take()) {
      const words = Array.isArray(request) ? request.map(String) : [];
      if (words.length) await conn.write(Buffer.from(encodeReply(command(server, words, session))));
      if (session.closing) return;
    }
  }
}

const redisServer: Program = async (proc) => {
  const args = proc.argv.slice(1);
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const configFile = args.find((arg) => !arg.startsWith('-') && arg.endsWith('.conf'));
  const config = configFile && proc.fs.exists(proc.path(configFile)) ? proc.fs.readText(proc.path(configFile)) : '';
  const configured = (name: string): string | undefined => option(`--${name}`) ?? new RegExp(`^\\s*${name}\\s+"?([^"\\n]*?)"?\\s*$`, 'm').exec(config)?.[1];
  const port = Number(configured('port') ?? 6379);
  const server: Server = { proc, store: new RedisStore(proc.clock), password: configured('requirepass') || undefined, channels: new Map(), startedAtMs: proc.clock.now() };
  try {
    proc.net.listen({ ip: '', port }, (conn) => {
      serve(server, conn)
        .catch((error: unknown) => {
          if (!(error instanceof NetError)) throw error;
        })
        .finally(() => conn.close());
    });
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    await proc.out(`${proc.pid}:M * Warning: Could not create server TCP listening socket *:${port}: bind: Address already in use\n`);
    return 1;
  }
  const stamp = new Date(proc.clock.now()).toISOString();
  await proc.out(`${proc.pid}:C ${stamp} * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n${proc.pid}:M ${stamp} * Ready to accept connections tcp\n`);
  return new Promise((resolve) => {
    for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, () => void proc.out(`${proc.pid}:M * Redis is now ready to exit, bye bye...\n`).then(() => resolve(0), () => resolve(0)));
  });
};

function show(reply: Reply, raw: boolean, indent = ''): string {
  if (reply === null) return raw ? '\n' : '(nil)\n';
  if (typeof reply === 'number') return raw ? `${reply}\n` : `(integer) ${reply}\n`;
  if (typeof reply === 'string') return raw ? `${reply}\n` : `${JSON.stringify(reply)}\n`;
  if ('ok' in reply) return `${reply.ok}\n`;
  if ('error' in reply) return raw ? `${reply.error}\n` : `(error) ${reply.error}\n`;
  if (!reply.length) return raw ? '\n' : '(empty array)\n';
  return reply.map((item, i) => (raw ? show(item, true) : `${i ? indent : ''}${i + 1}) ${show(item, false, `${indent}   `)}`)).join('');
}

interface Client {
  readonly proc: Proc;
  readonly conn: Conn;
  readonly buffer: RespBuffer;
  readonly raw: boolean;
}

async function ask({ proc, conn, buffer }: Client, words: readonly string[]): Promise<Reply> {
  await conn.write(Buffer.from(encodeReply([...words])));
  for (;;) {
    const reply = buffer.take();
    if (reply !== undefined) return reply;
    const bytes = await proc.until(conn.read());
    if (!bytes) throw new NetError('ECONNRESET', 'Server closed the connection');
    buffer.push(bytes);
  }
}

async function converse(client: Client, prompt: string): Promise<number> {
  const { proc } = client;
  const stdin = proc.fds.get(0);
  if (!stdin) return 0;
  if (stdin.isTty) await proc.out(prompt);
  for await (const { text } of lines(proc, stdin)) {
    const words = [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
    if (words[0] === 'quit' || words[0] === 'exit') return 0;
    if (words.length) await proc.out(show(await ask(client, words), client.raw));
    if (stdin.isTty) await proc.out(prompt);
  }
  return 0;
}

const redisCli: Program = async (proc) => {
  const args = [...proc.argv.slice(1)];
  const settings = { host: '127.0.0.1', port: 6379, password: proc.env.get('REDISCLI_AUTH'), raw: !(proc.fds.get(1)?.isTty ?? false) };
  while (args[0]?.startsWith('-')) {
    const option = args.shift();
    if (option === '-h') settings.host = args.shift() ?? '';
    else if (option === '-p') settings.port = Number(args.shift());
    else if (option === '-a' || option === '--pass') settings.password = args.shift();
    else if (option === '-n' || option === '--user') args.shift();
    else if (option === '--raw') settings.raw = true;
    else if (option === '--no-raw') settings.raw = false;
  }
  try {
    const [ip = ''] = await proc.net.lookup(settings.host);
    const conn = await proc.net.dial({ ip, port: settings.port });
    const client: Client = { proc, conn, buffer: new RespBuffer(), raw: settings.raw };
    if (settings.password) await ask(client, ['AUTH', settings.password]);
    if (!args.length) return await converse(client, `${settings.host}:${settings.port}> `);
    const reply = await ask(client, args);
    await proc.out(show(reply, settings.raw));
    return typeof reply === 'object' && reply !== null && 'error' in reply ? 1 : 0;
  } catch (error) {
    if (!(error instanceof NetError || error instanceof ResolveError)) throw error;
    const why = error instanceof ResolveError ? 'Name or service not known' : error.code === 'ECONNREFUSED' ? 'Connection refused' : error.message;
    await proc.err(`Could not connect to Redis at ${settings.host}:${settings.port}: ${why}\n`);
    return 1;
  }
};

export const redis: ImageDefinition = {
  names: ['redis', 'valkey/valkey', 'registry.k8s.io/redis', 'registry.k8s.io/e2e-test-images/redis', 'public.ecr.aws/docker/library/redis', 'bitnami/redis'],
  cmd: ['redis-server'],
  workdir: '/data',
  files: { '/data': { directory: true, uid: 999 } },
  programs: { '/usr/local/bin/redis-server': redisServer, '/usr/local/bin/redis-cli': redisCli, '/usr/local/bin/valkey-server': redisServer, '/usr/local/bin/valkey-cli': redisCli },
  sizeBytes: 45_500_000,
  memoryBytes: 6 * 1024 * 1024,
};
