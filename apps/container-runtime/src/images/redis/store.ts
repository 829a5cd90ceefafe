import type { Clock } from '@orrery/runtime';
import { matchesPattern } from '../../shell/pattern.ts';
import type { Reply } from './resp.ts';

interface Entry {
  value: string | string[] | Map<string, string> | Set<string>;
  expiresAtMs?: number;
}

const ok: Reply = { ok: 'OK' };
const wrongType: Reply = { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' };
const notInteger: Reply = { error: 'ERR value is not an integer or out of range' };

/** The data of one server and its commands; enough for caches, counters, lists, hashes and sets. */
export class RedisStore {
  private readonly clock: Clock;
  private readonly data = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  private get(key: string): Entry | undefined {
    const entry = this.data.get(key);
    if (entry?.expiresAtMs === undefined || entry.expiresAtMs > this.clock.now()) return entry;
    this.data.delete(key);
    return undefined;
  }

  private add(key: string, by: string): Reply {
    const entry = this.get(key);
    if (entry && typeof entry.value !== 'string') return wrongType;
    if (!/^-?\d+$/.test(by) || (entry && !/^-?\d+$/.test(entry.value as string))) return notInteger;
    const next = Number(entry?.value ?? 0) + Number(by);
    this.data.set(key, { ...entry, value: String(next) });
    return next;
  }

  private set(args: readonly string[]): Reply {
    const [key = '', value = '', ...options] = args;
    const flags = options.map((option) => option.toUpperCase());
    const exists = this.get(key) !== undefined;
    if ((flags.includes('NX') && exists) || (flags.includes('XX') && !exists)) return null;
    const at = flags.findIndex((flag) => flag === 'EX' || flag === 'PX');
    const expiresAtMs = at < 0 ? undefined : this.clock.now() + Number(options[at + 1]) * (flags[at] === 'EX' ? 1000 : 1);
    this.data.set(key, { value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
    return ok;
  }

  private expire(key: string, ms: number): Reply {
    const entry = this.get(key);
    if (!entry) return 0;
    entry.expiresAtMs = this.clock.now() + ms;
    return 1;
  }

  private ttl(key: string): number {
    const entry = this.get(key);
    if (!entry) return -2;
    return entry.expiresAtMs === undefined ? -1 : Math.ceil((entry.expiresAtMs - this.clock.now()) / 1000);
  }

  private list<T>(key: string, make: boolean, run: (list: string[]) => T): T | Reply {
    let entry = this.get(key);
    if (!entry && make) this.data.set(key, (entry = { value: [] }));
    if (entry && !Array.isArray(entry.value)) return wrongType;
    const list = (entry?.value ?? []) as string[];
    const result = run(list);
    if (!list.length) this.data.delete(key);
    return result;
  }

  private hash(key: string, run: (map: Map<string, string>) => Reply): Reply {
    const entry = this.get(key) ?? { value: new Map<string, string>() };
    if (!(entry.value instanceof Map)) return wrongType;
    const result = run(entry.value);
    if (entry.value.size) this.data.set(key, entry);
    else this.data.delete(key);
    return result;
  }

  private members(key: string, run: (set: Set<string>) => Reply): Reply {
    const entry = this.get(key) ?? { value: new Set<string>() };
    if (!(entry.value instanceof Set)) return wrongType;
    const result = run(entry.value);
    if (entry.value.size) this.data.set(key, entry);
    else this.data.delete(key);
    return result;
  }

  /** Runs a data command; undefined when there is no such command. */
  run(name: string, args: readonly string[]): Reply | undefined {
    const [key = '', second = '', third = ''] = args;
    switch (name) {
      case 'SET': return this.set(args);
      case 'SETEX': return this.set([key, third, 'EX', second]);
      case 'SETNX': return this.set([key, second, 'NX']) === null ? 0 : 1;
      case 'GET': {
        const entry = this.get(key);
        return entry && typeof entry.value !== 'string' ? wrongType : ((entry?.value as string | undefined) ?? null);
      }
      case 'MGET': return args.map((k) => { const v = this.get(k)?.value; return typeof v === 'string' ? v : null; });
      case 'MSET':
        for (let i = 0; i + 1 < args.length; i += 2) this.data.set(args[i] as string, { value: args[i + 1] as string });
        return ok;
      case 'APPEND': {
        const value = String(this.get(key)?.value ?? '') + second;
        this.data.set(key, { value });
        return value.length;
      }
      case 'STRLEN': return String(this.get(key)?.value ?? '').length;
      case 'INCR': return this.add(key, '1');
      case 'DECR': return this.add(key, '-1');
      case 'INCRBY': return this.add(key, second);
      case 'DECRBY': return this.add(key, second.startsWith('-') ? second.slice(1) : `-${second}`);
      case 'DEL':
      case 'UNLINK': return args.filter((k) => this.get(k) !== undefined && this.data.delete(k)).length;
      case 'EXISTS': return args.filter((k) => this.get(k) !== undefined).length;
      case 'EXPIRE': return this.expire(key, Number(second) * 1000);
      case 'PEXPIRE': return this.expire(key, Number(second));
      case 'TTL': return this.ttl(key);
      case 'KEYS': return [...this.data.keys()].filter((k) => this.get(k) !== undefined && matchesPattern(k, key));
      case 'DBSIZE': return [...this.data.keys()].filter((k) => this.get(k) !== undefined).length;
      case 'FLUSHALL':
      case 'FLUSHDB':
        this.data.clear();
        return ok;
      case 'TYPE': {
        const value = this.get(key)?.value;
        return { ok: value === undefined ? 'none' : typeof value === 'string' ? 'string' : Array.isArray(value) ? 'list' : value instanceof Map ? 'hash' : 'set' };
      }
      default: return this.collection(name, args);
    }
  }

  private collection(name: string, args: readonly string[]): Reply | undefined {
    const [key = '', second = '', third = ''] = args;
    switch (name) {
      case 'LPUSH': return this.list(key, true, (list) => list.unshift(...args.slice(1).reverse()));
      case 'RPUSH': return this.list(key, true, (list) => list.push(...args.slice(1)));
      case 'LPOP': return this.list(key, false, (list) => list.shift() ?? null);
      case 'RPOP': return this.list(key, false, (list) => list.pop() ?? null);
      case 'LLEN': return this.list(key, false, (list) => list.length);
      case 'LRANGE': return this.list(key, false, (list) => {
        const at = (n: number): number => (n < 0 ? Math.max(0, list.length + n) : n);
        return list.slice(at(Number(second)), at(Number(third)) + 1);
      });
      case 'HSET': return this.hash(key, (map) => {
        let added = 0;
        for (let i = 1; i + 1 < args.length; i += 2) {
          if (!map.has(args[i] as string)) added++;
          map.set(args[i] as string, args[i + 1] as string);
        }
        return added;
      });
      case 'HGET': return this.hash(key, (map) => map.get(second) ?? null);
      case 'HDEL': return this.hash(key, (map) => args.slice(1).filter((field) => map.delete(field)).length);
      case 'HGETALL': return this.hash(key, (map) => [...map].flat());
      case 'HKEYS': return this.hash(key, (map) => [...map.keys()]);
      case 'HLEN': return this.hash(key, (map) => map.size);
      case 'SADD': return this.members(key, (set) => args.slice(1).filter((m) => !set.has(m) && set.add(m)).length);
      case 'SREM': return this.members(key, (set) => args.slice(1).filter((m) => set.delete(m)).length);
      case 'SMEMBERS': return this.members(key, (set) => [...set]);
      case 'SISMEMBER': return this.members(key, (set) => (set.has(second) ? 1 : 0));
      case 'SCARD': return this.members(key, (set) => set.size);
      default: return undefined;
    }
  }
}
