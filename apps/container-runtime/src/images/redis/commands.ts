import { matchesPattern } from '../../shell/pattern.ts';
import { type DataCommand, float, int64, integer, ok, scanned } from './command.ts';
import { collectionCommands } from './collection-commands.ts';
import { type Reply, RedisError } from './resp.ts';
import type { Database } from './store.ts';

function add(db: Database, key: string, by: bigint): Reply {
  const next = integer(db.get(key, 'string') ?? '0') + by;
  if (next < int64.min || next > int64.max) throw new RedisError('ERR increment or decrement would overflow');
  db.setString(key, String(next), db.expiresAt(key));
  return Number(next);
}

const unitsMs: Readonly<Record<string, { scale: number; absolute: boolean }>> = { EX: { scale: 1000, absolute: false }, PX: { scale: 1, absolute: false }, EXAT: { scale: 1000, absolute: true }, PXAT: { scale: 1, absolute: true } };

function moment(db: Database, text: string, unit: { scale: number; absolute: boolean }): number {
  return Number(integer(text)) * unit.scale + (unit.absolute ? 0 : db.clock.now());
}

function set(db: Database, args: readonly string[]): Reply {
  const [key = '', value = '', ...options] = args;
  let [expiresAtMs, condition, get, keep]: [number | undefined, string, boolean, boolean] = [undefined, '', false, false];
  for (let i = 0; i < options.length; i++) {
    const option = (options[i] ?? '').toUpperCase();
    const unit = unitsMs[option];
    if (unit) {
      const text = options[++i];
      if (text === undefined || expiresAtMs !== undefined || keep) throw new RedisError('ERR syntax error');
      if (integer(text) <= 0n) throw new RedisError("ERR invalid expire time in 'set' command");
      expiresAtMs = moment(db, text, unit);
    } else if ((option === 'NX' || option === 'XX') && !condition) condition = option;
    else if (option === 'GET') get = true;
    else if (option === 'KEEPTTL' && expiresAtMs === undefined) keep = true;
    else throw new RedisError('ERR syntax error');
  }
  const before = get ? (db.get(key, 'string') ?? null) : null;
  if ((condition === 'NX' && db.has(key)) || (condition === 'XX' && !db.has(key))) return before;
  db.setString(key, value, keep ? db.expiresAt(key) : expiresAtMs);
  return get ? before : ok;
}

function expire(db: Database, args: readonly string[], unit: { scale: number; absolute: boolean }): Reply {
  const [key = '', text = '', condition] = args;
  const atMs = moment(db, text, unit);
  const current = db.expiresAt(key);
  if (!db.has(key)) return 0;
  const flag = condition?.toUpperCase();
  if (flag !== undefined && !['NX', 'XX', 'GT', 'LT'].includes(flag)) throw new RedisError(`ERR Unsupported option ${condition}`);
  if ((flag === 'NX' && current !== undefined) || (flag === 'XX' && current === undefined) || (flag === 'GT' && (current === undefined || atMs <= current)) || (flag === 'LT' && current !== undefined && atMs >= current)) return 0;
  if (atMs <= db.clock.now()) db.delete(key);
  else db.setExpiry(key, atMs);
  return 1;
}

function remaining(db: Database, key: string, scale: number): Reply {
  if (!db.has(key)) return -2;
  const at = db.expiresAt(key);
  return at === undefined ? -1 : Math.ceil((at - db.clock.now()) / scale);
}

function setMany(db: Database, args: readonly string[], name: string): void {
  if (args.length % 2) throw new RedisError(`ERR wrong number of arguments for '${name}' command`);
  for (let i = 0; i < args.length; i += 2) db.setString(args[i] ?? '', args[i + 1] ?? '');
}

function range(value: string, from: string, to: string): string {
  const at = (text: string): number => (Number(integer(text)) < 0 ? Math.max(0, value.length + Number(text)) : Number(text));
  return value.slice(at(from), at(to) + 1);
}

const stringCommands: Readonly<Record<string, DataCommand>> = {
  SET: { arity: -3, writes: true, run: set },
  SETEX: { arity: 4, writes: true, run: (db, [key = '', seconds = '', value = '']) => set(db, [key, value, 'EX', seconds]) },
  PSETEX: { arity: 4, writes: true, run: (db, [key = '', ms = '', value = '']) => set(db, [key, value, 'PX', ms]) },
  SETNX: { arity: 3, writes: true, run: (db, [key = '', value = '']) => (set(db, [key, value, 'NX']) === null ? 0 : 1) },
  GET: { arity: 2, run: (db, [key = '']) => db.get(key, 'string') ?? null },
  GETSET: { arity: 3, writes: true, run: (db, [key = '', value = '']) => set(db, [key, value, 'GET']) },
  GETDEL: { arity: 2, writes: true, run: (db, [key = '']) => { const value = db.get(key, 'string') ?? null; db.delete(key); return value; } },
  MGET: { arity: -2, run: (db, keys) => keys.map((key) => (db.typeOf(key) === 'string' ? (db.get(key, 'string') ?? null) : null)) },
  MSET: { arity: -3, writes: true, run: (db, args) => (setMany(db, args, 'mset'), ok) },
  MSETNX: { arity: -3, writes: true, run: (db, args) => (args.some((key, i) => i % 2 === 0 && db.has(key)) ? 0 : (setMany(db, args, 'msetnx'), 1)) },
  APPEND: { arity: 3, writes: true, run: (db, [key = '', more = '']) => { const value = (db.get(key, 'string') ?? '') + more; db.setString(key, value, db.expiresAt(key)); return value.length; } },
  STRLEN: { arity: 2, run: (db, [key = '']) => (db.get(key, 'string') ?? '').length },
  GETRANGE: { arity: 4, run: (db, [key = '', from = '', to = '']) => range(db.get(key, 'string') ?? '', from, to) },
  INCR: { arity: 2, writes: true, run: (db, [key = '']) => add(db, key, 1n) },
  DECR: { arity: 2, writes: true, run: (db, [key = '']) => add(db, key, -1n) },
  INCRBY: { arity: 3, writes: true, run: (db, [key = '', by = '']) => add(db, key, integer(by)) },
  DECRBY: { arity: 3, writes: true, run: (db, [key = '', by = '']) => add(db, key, -integer(by)) },
  INCRBYFLOAT: { arity: 3, writes: true, run: (db, [key = '', by = '']) => { const value = String(float(db.get(key, 'string') ?? '0') + float(by)); db.setString(key, value, db.expiresAt(key)); return value; } },
};

const keyCommands: Readonly<Record<string, DataCommand>> = {
  DEL: { arity: -2, writes: true, run: (db, keys) => keys.filter((key) => db.delete(key)).length },
  UNLINK: { arity: -2, writes: true, run: (db, keys) => keys.filter((key) => db.delete(key)).length },
  EXISTS: { arity: -2, run: (db, keys) => keys.filter((key) => db.has(key)).length },
  EXPIRE: { arity: -3, writes: true, run: (db, args) => expire(db, args, { scale: 1000, absolute: false }) },
  PEXPIRE: { arity: -3, writes: true, run: (db, args) => expire(db, args, { scale: 1, absolute: false }) },
  EXPIREAT: { arity: -3, writes: true, run: (db, args) => expire(db, args, { scale: 1000, absolute: true }) },
  PEXPIREAT: { arity: -3, writes: true, run: (db, args) => expire(db, args, { scale: 1, absolute: true }) },
  TTL: { arity: 2, run: (db, [key = '']) => remaining(db, key, 1000) },
  PTTL: { arity: 2, run: (db, [key = '']) => remaining(db, key, 1) },
  PERSIST: { arity: 2, writes: true, run: (db, [key = '']) => (db.expiresAt(key) !== undefined && db.setExpiry(key, undefined) ? 1 : 0) },
  KEYS: { arity: 2, run: (db, [pattern = '']) => db.keys().filter((key) => matchesPattern(key, pattern)) },
  SCAN: { arity: -2, run: (db, args) => scanned(args, db.keys()) },
  TYPE: { arity: 2, run: (db, [key = '']) => ({ ok: db.typeOf(key) ?? 'none' }) },
  RENAME: { arity: 3, writes: true, run: (db, [from = '', to = '']) => (db.rename(from, to), ok) },
  RANDOMKEY: { arity: 1, run: (db) => db.keys()[0] ?? null },
  DBSIZE: { arity: 1, run: (db) => db.keys().length },
  FLUSHDB: { arity: -1, writes: true, run: (db) => (db.clear(), ok) },
};

export const dataCommands: ReadonlyMap<string, DataCommand> = new Map(Object.entries({ ...stringCommands, ...keyCommands, ...collectionCommands }));
