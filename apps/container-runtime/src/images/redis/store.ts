import type { Clock } from '@orrery/runtime';
import { RedisError } from './resp.ts';

interface Values {
  string: string;
  list: string[];
  hash: Map<string, string>;
  set: Set<string>;
  zset: Map<string, number>;
}

export type ValueType = keyof Values;

interface Entry {
  readonly type: ValueType;
  value: Values[ValueType];
  expiresAtMs?: number;
}

const empty: { readonly [T in ValueType]: () => Values[T] } = { string: () => '', list: () => [], hash: () => new Map<string, string>(), set: () => new Set<string>(), zset: () => new Map<string, number>() };

/** One database. Keys past their time are gone as soon as anybody looks. */
export class Database {
  readonly clock: Clock;
  private readonly entries = new Map<string, Entry>();
  private waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  private entry(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry?.expiresAtMs === undefined || entry.expiresAtMs > this.clock.now()) return entry;
    this.entries.delete(key);
    return undefined;
  }

  typeOf(key: string): ValueType | undefined {
    return this.entry(key)?.type;
  }

  /** Throws RedisError when the key holds another kind of value. */
  get<T extends ValueType>(key: string, type: T): Values[T] | undefined {
    const entry = this.entry(key);
    if (entry && entry.type !== type) throw new RedisError('WRONGTYPE Operation against a key holding the wrong kind of value');
    return entry?.value as Values[T] | undefined;
  }

  /** The value to change; an absent one is made. Empty collections vanish afterwards. */
  change<T extends Exclude<ValueType, 'string'>, R>(key: string, type: T, run: (value: Values[T]) => R): R {
    const value = this.get(key, type) ?? empty[type]();
    const result = run(value);
    const size = Array.isArray(value) ? value.length : (value as Map<string, unknown>).size;
    if (!size) this.entries.delete(key);
    else if (!this.entries.has(key)) this.entries.set(key, { type, value });
    if (size && type === 'list') for (const wake of this.waiting.splice(0)) wake();
    return result;
  }

  setString(key: string, value: string, expiresAtMs?: number): void {
    this.entries.set(key, { type: 'string', value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
  }

  expiresAt(key: string): number | undefined {
    return this.entry(key)?.expiresAtMs;
  }

  /** False when there is no such key. */
  setExpiry(key: string, atMs: number | undefined): boolean {
    const entry = this.entry(key);
    if (!entry) return false;
    if (atMs === undefined) delete entry.expiresAtMs;
    else entry.expiresAtMs = atMs;
    return true;
  }

  has(key: string): boolean {
    return this.entry(key) !== undefined;
  }

  delete(key: string): boolean {
    return this.has(key) && this.entries.delete(key);
  }

  rename(from: string, to: string): void {
    const entry = this.entry(from);
    if (!entry) throw new RedisError('ERR no such key');
    this.entries.delete(from);
    this.entries.set(to, entry);
  }

  keys(): string[] {
    return [...this.entries.keys()].filter((key) => this.has(key));
  }

  clear(): void {
    this.entries.clear();
  }

  /** Resolves when a list got an element; the returned function gives up. */
  nextPush(): { pushed: Promise<void>; cancel(): void } {
    let wake: () => void = () => undefined;
    const pushed = new Promise<void>((resolve) => (wake = resolve));
    this.waiting.push(wake);
    return { pushed, cancel: () => (wake(), void (this.waiting = this.waiting.filter((other) => other !== wake))) };
  }
}
