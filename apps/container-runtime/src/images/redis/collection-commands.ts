import { type DataCommand, float, integer, ok, scanned } from './command.ts';
import { type Reply, RedisError } from './resp.ts';
import type { Database } from './store.ts';

/** Start and end (exclusive) of a range of `length` items; negative numbers count from the end. */
function bounds(length: number, from: string, to: string): [number, number] {
  const at = (text: string): number => (Number(integer(text)) < 0 ? length + Number(text) : Number(text));
  return [Math.max(0, at(from)), Math.min(length, at(to) + 1)];
}

const push = (end: 'push' | 'unshift', mustExist = false) => (db: Database, [key = '', ...values]: readonly string[]): Reply => {
  if (mustExist && !db.get(key, 'list')) return 0;
  return db.change(key, 'list', (list) => {
    for (const value of values) list[end](value);
    return list.length;
  });
};

const pop = (end: 'pop' | 'shift') => (db: Database, [key = '', count]: readonly string[]): Reply =>
  db.change(key, 'list', (list): Reply => {
    if (count === undefined) return list[end]() ?? null;
    if (integer(count) < 0n) throw new RedisError('ERR value is out of range, must be positive');
    const found = Array.from({ length: Math.min(Number(count), list.length) }, () => list[end]() as string);
    return list.length || found.length ? found : { nilArray: true };
  });

function removeFromList(list: string[], count: number, value: string): number {
  let [removed, left] = [0, Math.abs(count) || Number.POSITIVE_INFINITY];
  const indexes = [...list.keys()];
  for (const index of count < 0 ? indexes.reverse() : indexes) {
    if (list[index] !== value || left === 0) continue;
    list[index] = '\0removed';
    removed++;
    left--;
  }
  const kept = list.filter((item) => item !== '\0removed');
  list.splice(0, list.length, ...kept);
  return removed;
}

const listCommands: Readonly<Record<string, DataCommand>> = {
  LPUSH: { arity: -3, writes: true, run: push('unshift') },
  RPUSH: { arity: -3, writes: true, run: push('push') },
  LPUSHX: { arity: -3, writes: true, run: push('unshift', true) },
  RPUSHX: { arity: -3, writes: true, run: push('push', true) },
  LPOP: { arity: -2, writes: true, run: pop('shift') },
  RPOP: { arity: -2, writes: true, run: pop('pop') },
  LLEN: { arity: 2, run: (db, [key = '']) => db.get(key, 'list')?.length ?? 0 },
  LRANGE: { arity: 4, run: (db, [key = '', from = '', to = '']) => { const list = db.get(key, 'list') ?? []; return list.slice(...bounds(list.length, from, to)); } },
  LINDEX: { arity: 3, run: (db, [key = '', at = '']) => db.get(key, 'list')?.at(Number(integer(at))) ?? null },
  LSET: { arity: 4, writes: true, run: (db, [key = '', at = '', value = '']) => {
    const list = db.get(key, 'list');
    if (!list) throw new RedisError('ERR no such key');
    const index = Number(integer(at)) < 0 ? list.length + Number(at) : Number(at);
    if (index < 0 || index >= list.length) throw new RedisError('ERR index out of range');
    list[index] = value;
    return ok;
  } },
  LREM: { arity: 4, writes: true, run: (db, [key = '', count = '', value = '']) => db.change(key, 'list', (list) => removeFromList(list, Number(integer(count)), value)) },
  LTRIM: { arity: 4, writes: true, run: (db, [key = '', from = '', to = '']) => db.change(key, 'list', (list) => { const kept = list.slice(...bounds(list.length, from, to)); list.splice(0, list.length, ...kept); return ok; }) },
  RPOPLPUSH: { arity: 3, writes: true, run: (db, [from = '', to = '']) => { const value = db.change(from, 'list', (list) => list.pop()); if (value === undefined) return null; db.change(to, 'list', (list) => list.unshift(value)); return value; } },
};

function setFields(db: Database, args: readonly string[], name: string): number {
  const [key = '', ...fields] = args;
  if (fields.length % 2) throw new RedisError(`ERR wrong number of arguments for '${name}' command`);
  return db.change(key, 'hash', (hash) => {
    const before = hash.size;
    for (let i = 0; i < fields.length; i += 2) hash.set(fields[i] ?? '', fields[i + 1] ?? '');
    return hash.size - before;
  });
}

const hashCommands: Readonly<Record<string, DataCommand>> = {
  HSET: { arity: -4, writes: true, run: (db, args) => setFields(db, args, 'hset') },
  HMSET: { arity: -4, writes: true, run: (db, args) => (setFields(db, args, 'hmset'), ok) },
  HSETNX: { arity: 4, writes: true, run: (db, [key = '', field = '', value = '']) => db.change(key, 'hash', (hash) => (hash.has(field) ? 0 : (hash.set(field, value), 1))) },
  HGET: { arity: 3, run: (db, [key = '', field = '']) => db.get(key, 'hash')?.get(field) ?? null },
  HMGET: { arity: -3, run: (db, [key = '', ...fields]) => fields.map((field) => db.get(key, 'hash')?.get(field) ?? null) },
  HGETALL: { arity: 2, run: (db, [key = '']) => [...(db.get(key, 'hash') ?? [])].flat() },
  HDEL: { arity: -3, writes: true, run: (db, [key = '', ...fields]) => db.change(key, 'hash', (hash) => fields.filter((field) => hash.delete(field)).length) },
  HEXISTS: { arity: 3, run: (db, [key = '', field = '']) => (db.get(key, 'hash')?.has(field) ? 1 : 0) },
  HLEN: { arity: 2, run: (db, [key = '']) => db.get(key, 'hash')?.size ?? 0 },
  HKEYS: { arity: 2, run: (db, [key = '']) => [...(db.get(key, 'hash')?.keys() ?? [])] },
  HVALS: { arity: 2, run: (db, [key = '']) => [...(db.get(key, 'hash')?.values() ?? [])] },
  HINCRBY: { arity: 4, writes: true, run: (db, [key = '', field = '', by = '']) => db.change(key, 'hash', (hash) => {
    const current = hash.get(field) ?? '0';
    if (!/^-?\d+$/.test(current)) throw new RedisError('ERR hash value is not an integer');
    const next = BigInt(current) + integer(by);
    hash.set(field, String(next));
    return Number(next);
  }) },
  HSCAN: { arity: -3, run: (db, [key = '', ...args]) => { const hash = db.get(key, 'hash') ?? new Map<string, string>(); return scanned(args, [...hash.keys()], (field) => [field, hash.get(field) ?? '']); } },
};

const all = (db: Database, keys: readonly string[]): Set<string>[] => keys.map((key) => db.get(key, 'set') ?? new Set<string>());

const setCommands: Readonly<Record<string, DataCommand>> = {
  SADD: { arity: -3, writes: true, run: (db, [key = '', ...members]) => db.change(key, 'set', (set) => { const before = set.size; for (const member of members) set.add(member); return set.size - before; }) },
  SREM: { arity: -3, writes: true, run: (db, [key = '', ...members]) => db.change(key, 'set', (set) => members.filter((member) => set.delete(member)).length) },
  SMEMBERS: { arity: 2, run: (db, [key = '']) => [...(db.get(key, 'set') ?? [])] },
  SISMEMBER: { arity: 3, run: (db, [key = '', member = '']) => (db.get(key, 'set')?.has(member) ? 1 : 0) },
  SCARD: { arity: 2, run: (db, [key = '']) => db.get(key, 'set')?.size ?? 0 },
  SPOP: { arity: 2, writes: true, run: (db, [key = '']) => db.change(key, 'set', (set) => { const [first] = set; if (first === undefined) return null; set.delete(first); return first; }) },
  SUNION: { arity: -2, run: (db, keys) => [...new Set(all(db, keys).flatMap((set) => [...set]))] },
  SINTER: { arity: -2, run: (db, keys) => { const [first = new Set<string>(), ...rest] = all(db, keys); return [...first].filter((member) => rest.every((set) => set.has(member))); } },
  SDIFF: { arity: -2, run: (db, keys) => { const [first = new Set<string>(), ...rest] = all(db, keys); return [...first].filter((member) => !rest.some((set) => set.has(member))); } },
  SSCAN: { arity: -3, run: (db, [key = '', ...args]) => scanned(args, [...(db.get(key, 'set') ?? [])]) },
};

const shown = (score: number): string => (score === Number.POSITIVE_INFINITY ? 'inf' : score === Number.NEGATIVE_INFINITY ? '-inf' : String(score));

function ranked(db: Database, key: string): [string, number][] {
  return [...(db.get(key, 'zset') ?? [])].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : a > b ? 1 : 0));
}

function addScores(db: Database, args: readonly string[]): Reply {
  const [key = '', ...rest] = args;
  const flags = new Set<string>();
  while (/^(?:nx|xx|gt|lt|ch|incr)$/i.test(rest[0] ?? '')) flags.add((rest.shift() ?? '').toUpperCase());
  if (!rest.length || rest.length % 2) throw new RedisError('ERR syntax error');
  return db.change(key, 'zset', (set) => {
    let [added, changed]: [number, number] = [0, 0];
    for (let i = 0; i < rest.length; i += 2) {
      const [score, member] = [float(rest[i] ?? ''), rest[i + 1] ?? ''];
      const before = set.get(member);
      if ((flags.has('NX') && before !== undefined) || (flags.has('XX') && before === undefined)) continue;
      if (before !== undefined && ((flags.has('GT') && score <= before) || (flags.has('LT') && score >= before))) continue;
      const next = flags.has('INCR') ? (before ?? 0) + score : score;
      set.set(member, next);
      if (before === undefined) added++;
      else if (before !== next) changed++;
      if (flags.has('INCR')) return shown(next);
    }
    return flags.has('CH') ? added + changed : added;
  });
}

function limit(text: string): (score: number, low: boolean) => boolean {
  const open = text.startsWith('(');
  const value = float(open ? text.slice(1) : text);
  return (score, low) => (open ? (low ? score > value : score < value) : low ? score >= value : score <= value);
}

function byScore(db: Database, key: string, low: string, high: string): [string, number][] {
  const [from, to] = [limit(low), limit(high)];
  return ranked(db, key).filter(([, score]) => from(score, true) && to(score, false));
}

function scored(items: readonly [string, number][], options: readonly string[]): Reply {
  const names = options.map((option) => option.toUpperCase());
  const at = names.indexOf('LIMIT');
  const part = at < 0 ? items : items.slice(Number(options[at + 1]), Number(options[at + 2]) < 0 ? undefined : Number(options[at + 1]) + Number(options[at + 2]));
  return names.includes('WITHSCORES') ? part.flatMap(([member, score]) => [member, shown(score)]) : part.map(([member]) => member);
}

function rangeOf(db: Database, args: readonly string[], reversed: boolean): Reply {
  const [key = '', from = '', to = '', ...options] = args;
  const names = options.map((option) => option.toUpperCase());
  const backwards = reversed || names.includes('REV');
  if (names.includes('BYSCORE')) {
    const found = backwards ? byScore(db, key, to, from).reverse() : byScore(db, key, from, to);
    return scored(found, options);
  }
  const items = ranked(db, key);
  if (backwards) items.reverse();
  return scored(items.slice(...bounds(items.length, from, to)), options);
}

function rank(db: Database, [key = '', member = '']: readonly string[], reversed: boolean): Reply {
  const items = ranked(db, key);
  const at = items.findIndex(([name]) => name === member);
  return at < 0 ? null : reversed ? items.length - 1 - at : at;
}

const sortedSetCommands: Readonly<Record<string, DataCommand>> = {
  ZADD: { arity: -4, writes: true, run: addScores },
  ZINCRBY: { arity: 4, writes: true, run: (db, [key = '', by = '', member = '']) => addScores(db, [key, 'INCR', by, member]) },
  ZSCORE: { arity: 3, run: (db, [key = '', member = '']) => { const score = db.get(key, 'zset')?.get(member); return score === undefined ? null : shown(score); } },
  ZCARD: { arity: 2, run: (db, [key = '']) => db.get(key, 'zset')?.size ?? 0 },
  ZCOUNT: { arity: 4, run: (db, [key = '', low = '', high = '']) => byScore(db, key, low, high).length },
  ZRANGE: { arity: -4, run: (db, args) => rangeOf(db, args, false) },
  ZREVRANGE: { arity: -4, run: (db, args) => rangeOf(db, args, true) },
  ZRANGEBYSCORE: { arity: -4, run: (db, [key = '', low = '', high = '', ...options]) => scored(byScore(db, key, low, high), options) },
  ZREVRANGEBYSCORE: { arity: -4, run: (db, [key = '', high = '', low = '', ...options]) => scored(byScore(db, key, low, high).reverse(), options) },
  ZRANK: { arity: 3, run: (db, args) => rank(db, args, false) },
  ZREVRANK: { arity: 3, run: (db, args) => rank(db, args, true) },
  ZREM: { arity: -3, writes: true, run: (db, [key = '', ...members]) => db.change(key, 'zset', (set) => members.filter((member) => set.delete(member)).length) },
};

export const collectionCommands: Readonly<Record<string, DataCommand>> = { ...listCommands, ...hashCommands, ...setCommands, ...sortedSetCommands };
