import type { Conn } from '@orrery/vnet';
import { matchesPattern } from '../../shell/pattern.ts';
import { float, ok, silent } from './command.ts';
import { type Reply, RedisError, encodeReply } from './resp.ts';
import type { RedisServer } from './server.ts';

export const redisVersion = '7.4.2';

/** One client's connection. */
export interface Session {
  readonly id: number;
  readonly conn: Conn;
  db: number;
  authenticated: boolean;
  closing: boolean;
  name: string;
  readonly channels: Set<string>;
  readonly patterns: Set<string>;
  /** Commands between MULTI and EXEC. */
  queue?: (readonly string[])[] | undefined;
  /** `db key` of what WATCH was asked for. */
  readonly watched: Set<string>;
  /** A watched key changed. */
  dirty: boolean;
  /** A queued command was wrong. */
  aborted: boolean;
  send(reply: Reply): void;
}

interface ServerCommand {
  readonly arity: number;
  run(server: RedisServer, session: Session, args: readonly string[]): Reply | Promise<Reply>;
}

function info(server: RedisServer, section: string | undefined): string {
  const { proc, dbs, sessions, commands, connections, startedAtMs, config } = server;
  const { usedBytes } = proc.host.memory();
  const uptime = Math.floor((proc.clock.now() - startedAtMs) / 1000);
  const sections: Readonly<Record<string, readonly string[]>> = {
    Server: [`redis_version:${redisVersion}`, 'redis_mode:standalone', 'os:Linux', 'arch_bits:64', `process_id:${proc.pid}`, `tcp_port:${config.get('port')}`, `uptime_in_seconds:${uptime}`, `uptime_in_days:${Math.floor(uptime / 86_400)}`],
    Clients: [`connected_clients:${sessions.size}`, 'blocked_clients:0'],
    Memory: [`used_memory:${usedBytes}`, `maxmemory:${config.get('maxmemory')}`, `maxmemory_policy:${config.get('maxmemory-policy')}`],
    Persistence: ['loading:0', `aof_enabled:${config.get('appendonly') === 'yes' ? 1 : 0}`],
    Stats: [`total_connections_received:${connections}`, `total_commands_processed:${commands}`],
    Replication: ['role:master', 'connected_slaves:0'],
    Keyspace: dbs.flatMap((db, i) => {
      const keys = db.keys();
      return keys.length ? [`db${i}:keys=${keys.length},expires=${keys.filter((key) => db.expiresAt(key) !== undefined).length},avg_ttl=0`] : [];
    }),
  };
  const wanted = Object.entries(sections).filter(([name]) => section === undefined || ['all', 'default', 'everything', name.toLowerCase()].includes(section.toLowerCase()));
  return wanted.map(([name, lines]) => [`# ${name}`, ...lines].map((line) => `${line}\r\n`).join('')).join('\r\n');
}

function configure(server: RedisServer, [action = '', ...args]: readonly string[]): Reply {
  const { config } = server;
  switch (action.toUpperCase()) {
    case 'GET': return [...config].filter(([name]) => args.some((pattern) => matchesPattern(name, pattern.toLowerCase()))).flat();
    case 'SET':
      for (let i = 0; i < args.length; i += 2) {
        const name = (args[i] ?? '').toLowerCase();
        if (!config.has(name)) throw new RedisError(`ERR Unknown option or number of arguments for CONFIG SET - '${args[i]}'`);
        if (['port', 'dir', 'appendonly', 'bind'].includes(name)) throw new RedisError(`ERR CONFIG SET failed (possibly related to argument '${name}') - can't set immutable config`);
        config.set(name, args[i + 1] ?? '');
      }
      return ok;
    case 'RESETSTAT':
      server.commands = 0;
      return ok;
    case 'REWRITE': throw new RedisError('ERR The server is running without a config file');
    default: throw new RedisError(`ERR unknown subcommand '${action}'. Try CONFIG HELP.`);
  }
}

function client(server: RedisServer, session: Session, [action = '', ...args]: readonly string[]): Reply {
  const line = (one: Session): string => `id=${one.id} addr=${one.conn.remote.ip}:${one.conn.remote.port} laddr=${one.conn.local.ip}:${one.conn.local.port} name=${one.name} db=${one.db} sub=${one.channels.size} psub=${one.patterns.size} multi=${one.queue?.length ?? -1}\n`;
  switch (action.toUpperCase()) {
    case 'ID': return session.id;
    case 'GETNAME': return session.name || null;
    case 'SETNAME':
      session.name = args[0] ?? '';
      return ok;
    case 'SETINFO':
    case 'NO-EVICT':
    case 'NO-TOUCH':
    case 'REPLY': return ok;
    case 'INFO': return line(session);
    case 'LIST': return [...server.sessions].map(line).join('');
    default: throw new RedisError(`ERR unknown subcommand '${action}'. Try CLIENT HELP.`);
  }
}

function authenticate(server: RedisServer, session: Session, args: readonly string[]): Reply {
  if (server.password === undefined && args.length === 1) throw new RedisError('ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?');
  const user = args.length > 1 ? args[0] : 'default';
  if (user !== 'default' || (server.password !== undefined && args.at(-1) !== server.password)) throw new RedisError('WRONGPASS invalid username-password pair or user is disabled.');
  session.authenticated = true;
  return ok;
}

/** Subscribes or unsubscribes; each channel has its own answer. */
const subscription = (kind: string, list: 'channels' | 'patterns') => (_: RedisServer, session: Session, args: readonly string[]): Reply => {
  const set = session[list];
  const leaves = kind.endsWith('unsubscribe');
  const names: readonly (string | null)[] = args.length ? args : set.size ? [...set] : [null];
  for (const name of names) {
    if (name !== null) set[leaves ? 'delete' : 'add'](name);
    session.send([kind, name, session.channels.size + session.patterns.size]);
  }
  return silent;
};

async function execute(server: RedisServer, session: Session): Promise<Reply> {
  const { queue, aborted, dirty } = session;
  if (!queue) throw new RedisError('ERR EXEC without MULTI');
  endTransaction(session);
  if (aborted) throw new RedisError('EXECABORT Transaction discarded because of previous errors.');
  if (dirty) return { nilArray: true };
  const replies: Reply[] = [];
  for (const words of queue) {
    try {
      const blocking = /^B([LR]POP)$/i.exec(words[0] ?? '')?.[1]?.toUpperCase() as Pop | undefined;
      replies.push(blocking ? ((await popFirst(server, session, { command: blocking, keys: words.slice(1, -1) })) ?? { nilArray: true }) : await server.run(session, words));
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      replies.push({ error: error.message });
    }
  }
  return replies;
}

function endTransaction(session: Session): void {
  session.queue = undefined;
  session.aborted = false;
  session.dirty = false;
  session.watched.clear();
}

type Pop = 'LPOP' | 'RPOP';

/** Key and element of the first list that has one. */
async function popFirst(server: RedisServer, session: Session, pop: { command: Pop; keys: readonly string[] }): Promise<readonly [string, string] | undefined> {
  for (const key of pop.keys) {
    if (server.db(session.db).get(key, 'list')) return [key, String(await server.run(session, [pop.command, key]))];
  }
  return undefined;
}

/** Waits for a list to have an element, at most the seconds of the last argument; 0 is for ever. */
const blockingPop = (command: Pop) => async (server: RedisServer, session: Session, args: readonly string[]): Promise<Reply> => {
  const seconds = float(args.at(-1) ?? '');
  if (seconds < 0) throw new RedisError('ERR timeout is negative');
  const { clock } = server.proc;
  const deadline = seconds === 0 ? Number.POSITIVE_INFINITY : clock.monotonic() + seconds * 1000;
  for (;;) {
    const found = await popFirst(server, session, { command, keys: args.slice(0, -1) });
    if (found) return deliver(server, session, { command, found });
    const left = deadline - clock.monotonic();
    if (left <= 0) return { nilArray: true };
    const { pushed, cancel } = server.db(session.db).nextPush();
    const timer = Number.isFinite(left) ? clock.after(left, cancel) : undefined;
    await server.proc.until(pushed);
    timer?.cancel();
  }
};

/** A client that went away while it waited must not take an element with it: it is put back. */
async function deliver(server: RedisServer, session: Session, pop: { command: Pop; found: readonly [string, string] }): Promise<Reply> {
  try {
    await session.conn.write(Buffer.from(encodeReply(pop.found), 'latin1'));
    return silent;
  } catch (error) {
    await server.run(session, [pop.command === 'LPOP' ? 'LPUSH' : 'RPUSH', ...pop.found]);
    throw error;
  }
}

const noSnapshots: ServerCommand = { arity: -1, run: () => { throw new RedisError('ERR this emulation writes no RDB snapshots; data is kept by --appendonly yes'); } };

export const serverCommands: ReadonlyMap<string, ServerCommand> = new Map<string, ServerCommand>(Object.entries({
  PING: { arity: -1, run: (_, session, args) => (session.channels.size + session.patterns.size ? ['pong', args[0] ?? ''] : (args[0] ?? { ok: 'PONG' })) },
  ECHO: { arity: 2, run: (_, __, [text = '']) => text },
  QUIT: { arity: -1, run: (_, session) => { session.closing = true; return ok; } },
  AUTH: { arity: -2, run: authenticate },
  HELLO: { arity: -1, run: (server, session, args) => {
    if (args[0] !== undefined && args[0] !== '2') throw new RedisError('NOPROTO unsupported protocol version');
    const at = args.findIndex((arg) => arg.toUpperCase() === 'AUTH');
    if (at >= 0) authenticate(server, session, args.slice(at + 1, at + 3));
    if (!session.authenticated) throw new RedisError('NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time');
    return ['server', 'redis', 'version', redisVersion, 'proto', 2, 'id', session.id, 'mode', 'standalone', 'role', 'master', 'modules', []];
  } },
  SELECT: { arity: 2, run: (server, session, [index = '']) => {
    if (!/^-?\d+$/.test(index)) throw new RedisError('ERR invalid DB index');
    server.db(Number(index));
    session.db = Number(index);
    return ok;
  } },
  INFO: { arity: -1, run: (server, _, [section]) => info(server, section) },
  CONFIG: { arity: -2, run: (server, _, args) => configure(server, args) },
  CLIENT: { arity: -2, run: client },
  COMMAND: { arity: -1, run: (_, __, [action = '']) => (action.toUpperCase() === 'COUNT' ? serverCommands.size : []) },
  ROLE: { arity: 1, run: () => ['master', 0, []] },
  TIME: { arity: 1, run: ({ proc }) => [String(Math.floor(proc.clock.now() / 1000)), String(Math.floor(proc.clock.now() % 1000) * 1000)] },
  FLUSHALL: { arity: -1, run: (server, session) => (server.flushAll(session), ok) },
  PUBLISH: { arity: 3, run: (server, _, [channel = '', message = '']) => server.publish(channel, message) },
  SUBSCRIBE: { arity: -2, run: subscription('subscribe', 'channels') },
  UNSUBSCRIBE: { arity: -1, run: subscription('unsubscribe', 'channels') },
  PSUBSCRIBE: { arity: -2, run: subscription('psubscribe', 'patterns') },
  PUNSUBSCRIBE: { arity: -1, run: subscription('punsubscribe', 'patterns') },
  MULTI: { arity: 1, run: (_, session) => {
    if (session.queue) throw new RedisError('ERR MULTI calls can not be nested');
    session.queue = [];
    return ok;
  } },
  EXEC: { arity: 1, run: execute },
  DISCARD: { arity: 1, run: (_, session) => {
    if (!session.queue) throw new RedisError('ERR DISCARD without MULTI');
    endTransaction(session);
    return ok;
  } },
  WATCH: { arity: -2, run: (_, session, keys) => {
    if (session.queue) throw new RedisError('ERR WATCH inside MULTI is not allowed');
    for (const key of keys) session.watched.add(`${session.db} ${key}`);
    return ok;
  } },
  UNWATCH: { arity: 1, run: (_, session) => { session.watched.clear(); session.dirty = false; return ok; } },
  BLPOP: { arity: -3, run: blockingPop('LPOP') },
  BRPOP: { arity: -3, run: blockingPop('RPOP') },
  RESET: { arity: 1, run: (server, session) => {
    endTransaction(session);
    session.channels.clear();
    session.patterns.clear();
    session.db = 0;
    session.authenticated = server.password === undefined;
    return { ok: 'RESET' };
  } },
  SHUTDOWN: { arity: -1, run: (server, session) => { session.closing = true; server.proc.kill(server.proc.pid, 15); return silent; } },
  SAVE: noSnapshots,
  BGSAVE: noSnapshots,
} satisfies Record<string, ServerCommand>));
