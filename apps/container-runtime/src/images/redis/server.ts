import { type Conn, NetError } from '@orrery/vnet';
import { FsError } from '../../fs/fs-error.ts';
import { ProcessEnded, type Proc } from '../../process/proc.ts';
import { matchesPattern } from '../../shell/pattern.ts';
import { AppendOnlyFile } from './append-only-file.ts';
import { silent } from './command.ts';
import { dataCommands } from './commands.ts';
import { type Reply, RedisError, RespBuffer, encodeReply } from './resp.ts';
import { type Session, serverCommands } from './server-commands.ts';
import { Database } from './store.ts';

const databases = 16;

/** A running server: its data, its settings, and who is connected. */
export class RedisServer {
  readonly proc: Proc;
  readonly config: Map<string, string>;
  readonly dbs: readonly Database[];
  readonly sessions = new Set<Session>();
  readonly startedAtMs: number;
  readonly log: (text: string) => Promise<void>;
  commands = 0;
  connections = 0;
  private aof: AppendOnlyFile | undefined;

  constructor(options: { proc: Proc; config: Map<string, string>; log: (text: string) => Promise<void> }) {
    const { proc } = options;
    this.proc = proc;
    this.config = options.config;
    this.log = options.log;
    this.startedAtMs = proc.clock.now();
    this.dbs = Array.from({ length: databases }, () => new Database(proc.clock));
  }

  get password(): string | undefined {
    return this.config.get('requirepass') || undefined;
  }

  /** Reads the append-only file back when there is one. Throws FsError. */
  open(): number {
    if (this.config.get('appendonly') !== 'yes') return 0;
    const aof = new AppendOnlyFile(this.proc, this.config.get('dir') ?? '/data');
    let [db, loaded] = [0, 0];
    for (const [name = '', ...args] of aof.load()) {
      if (name === 'SELECT') db = Number(args[0]);
      else dataCommands.get(name)?.run(this.db(db), args);
      loaded++;
    }
    this.aof = aof;
    return loaded;
  }

  db(index: number): Database {
    const db = this.dbs[index];
    if (!db) throw new RedisError('ERR DB index is out of range');
    return db;
  }

  flushAll(session: Session): void {
    for (const [index, db] of this.dbs.entries()) {
      if (!db.keys().length) continue;
      db.clear();
      this.aof?.append(this.db(index), index, ['FLUSHDB']);
    }
    session.dirty = true;
  }

  /** Delivers a message; the result is how many got it. */
  publish(channel: string, message: string): number {
    let count = 0;
    for (const session of this.sessions) {
      if (session.channels.has(channel)) {
        session.send(['message', channel, message]);
        count++;
      }
      for (const pattern of session.patterns) {
        if (!matchesPattern(channel, pattern)) continue;
        session.send(['pmessage', pattern, channel, message]);
        count++;
      }
    }
    return count;
  }

  /** Runs a command that is allowed now. Throws RedisError. */
  run(session: Session, words: readonly string[]): Reply | Promise<Reply> {
    const [raw = '', ...args] = words;
    const name = raw.toUpperCase();
    const data = dataCommands.get(name);
    const own = serverCommands.get(name);
    const arity = data?.arity ?? own?.arity;
    if (arity === undefined) throw new RedisError(`ERR unknown command '${raw}', with args beginning with: ${args.map((arg) => `'${arg}' `).join('')}`);
    if (arity >= 0 ? words.length !== arity : words.length < -arity) throw new RedisError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
    if (!data) return own?.run(this, session, args) ?? null;
    const db = this.db(session.db);
    const reply = data.run(db, args);
    if (data.writes) {
      this.touched(session.db, args[0] ?? '');
      this.aof?.append(db, session.db, [name, ...args]);
    }
    return reply;
  }

  /** Ends the transactions of those who watch the key. */
  private touched(db: number, key: string): void {
    for (const session of this.sessions) if (session.watched.has(`${db} ${key}`)) session.dirty = true;
  }

  private async execute(session: Session, words: readonly string[]): Promise<Reply> {
    this.commands++;
    const name = (words[0] ?? '').toUpperCase();
    try {
      if (!session.authenticated && !['AUTH', 'HELLO', 'QUIT', 'RESET'].includes(name)) throw new RedisError('NOAUTH Authentication required.');
      if (session.channels.size + session.patterns.size && !/^(?:P?(?:UN)?SUBSCRIBE|PING|QUIT|RESET)$/.test(name)) {
        throw new RedisError(`ERR Can't execute '${name.toLowerCase()}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`);
      }
      if (session.queue && !['EXEC', 'DISCARD', 'MULTI', 'WATCH', 'QUIT', 'RESET'].includes(name)) return this.enqueue(session, words);
      return await this.run(session, words);
    } catch (error) {
      if (error instanceof RedisError) return { error: error.message };
      if (error instanceof FsError) return { error: `MISCONF Errors writing to the AOF file: ${error.message}` };
      throw error;
    }
  }

  private enqueue(session: Session, words: readonly string[]): Reply {
    const name = (words[0] ?? '').toUpperCase();
    const arity = dataCommands.get(name)?.arity ?? serverCommands.get(name)?.arity;
    if (arity === undefined || (arity >= 0 ? words.length !== arity : words.length < -arity)) session.aborted = true;
    if (arity === undefined) throw new RedisError(`ERR unknown command '${words[0]}', with args beginning with: ${words.slice(1).map((arg) => `'${arg}' `).join('')}`);
    if (session.aborted) throw new RedisError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
    session.queue?.push(words);
    return { ok: 'QUEUED' };
  }

  private session(conn: Conn): Session {
    const send = (reply: Reply): void => void conn.write(Buffer.from(encodeReply(reply), 'latin1')).catch(() => conn.close());
    return { id: ++this.connections, conn, db: 0, authenticated: this.password === undefined, closing: false, name: '', channels: new Set(), patterns: new Set(), watched: new Set(), dirty: false, aborted: false, send };
  }

  private async converse(session: Session): Promise<void> {
    const { conn } = session;
    const buffer = new RespBuffer();
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
      buffer.push(bytes);
      try {
        for (let words = buffer.takeCommand(); words !== undefined; words = buffer.takeCommand()) {
          if (!words.length) continue;
          const reply = await this.execute(session, words);
          if (reply !== silent) await conn.write(Buffer.from(encodeReply(reply), 'latin1'));
          if (session.closing) return;
        }
      } catch (error) {
        if (!(error instanceof RedisError)) throw error;
        await conn.write(Buffer.from(encodeReply({ error: error.message })));
        return;
      }
    }
  }

  serve(conn: Conn): void {
    const session = this.session(conn);
    this.sessions.add(session);
    this.converse(session)
      .catch((error: unknown) => {
        if (!(error instanceof NetError || error instanceof ProcessEnded)) throw error;
      })
      .finally(() => {
        this.sessions.delete(session);
        conn.close();
      });
  }
}
