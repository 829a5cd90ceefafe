import { compareQuantity, parseQuantity, type Quantity } from '@orrery/apimachinery';
import { stringFormats } from './formats.ts';
import { compilePattern } from './pattern.ts';
import { CelError, Duration, Optional, Timestamp, celCompare, celEqual, duration, isNumber, timestamp, typeName } from './values.ts';

type Run = (...args: any[]) => unknown;

const noOverload = (): never => {
  throw new CelError('no such overload');
};
const text = (value: unknown): string => (typeof value === 'string' ? value : noOverload());
const list = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : noOverload());
const count = (value: unknown): number => (isNumber(value) ? Number(value) : noOverload());
const letters = (value: unknown): string[] => [...text(value)];

function size(value: unknown): bigint {
  if (typeof value === 'string') return BigInt(letters(value).length);
  if (Array.isArray(value)) return BigInt(value.length);
  return value instanceof Map ? BigInt(value.size) : noOverload();
}

function search(value: unknown, pattern: unknown): RegExp {
  text(value);
  return compilePattern(text(pattern)) ?? noOverload();
}

function find(value: string, pattern: string, limit = -1n): string[] {
  const all = [...value.matchAll(new RegExp(search(value, pattern), `g${search(value, pattern).flags}`))].map(([match]) => match);
  return limit < 0n ? all : all.slice(0, Number(limit));
}

function indexOf(within: unknown, wanted: unknown, from = 0n): bigint {
  if (Array.isArray(within)) return BigInt(within.findIndex((item) => celEqual(item, wanted)));
  const at = letters(within).slice(Number(from)).join('').indexOf(text(wanted));
  return at < 0 ? -1n : from + BigInt([...letters(within).slice(Number(from)).join('').slice(0, at)].length);
}

function lastIndexOf(within: unknown, wanted: unknown): bigint {
  if (Array.isArray(within)) return BigInt(within.findLastIndex((item) => celEqual(item, wanted)));
  const at = text(within).lastIndexOf(text(wanted));
  return at < 0 ? -1n : BigInt([...text(within).slice(0, at)].length);
}

function substring(value: unknown, from: unknown, to?: unknown): string {
  const all = letters(value);
  const [start, end] = [count(from), to === undefined ? all.length : count(to)];
  if (start < 0 || end > all.length || start > end) throw new CelError(`index out of range: ${start}`);
  return all.slice(start, end).join('');
}

function split(value: unknown, by: unknown, limit = -1n): string[] {
  const parts = text(value).split(text(by));
  if (limit === 0n) return [];
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  return [...parts.slice(0, Number(limit) - 1), parts.slice(Number(limit) - 1).join(text(by))];
}

function replace(value: unknown, from: unknown, to: unknown, limit = -1n): string {
  if (limit < 0n) return text(value).replaceAll(text(from), () => text(to));
  const parts = split(value, from, limit + 1n);
  return parts.join(text(to));
}

function int(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (value instanceof Timestamp) return BigInt(Math.floor(value.ms / 1000));
  if (typeof value === 'string' && /^[+-]?\d+$/.test(value)) return BigInt(value.replace('+', ''));
  throw new CelError('type conversion error');
}

function double(value: unknown): number {
  const result = isNumber(value) ? Number(value) : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  if (Number.isNaN(result)) throw new CelError('type conversion error');
  return result;
}

function string(value: unknown): string {
  if (typeof value === 'string') return value;
  if (isNumber(value) || typeof value === 'boolean') return String(value);
  if (value instanceof Timestamp) return new Date(value.ms).toISOString().replace('.000Z', 'Z');
  if (value instanceof Duration) return `${value.ms / 1000}s`;
  throw new CelError('type conversion error');
}

function extreme(values: unknown, sign: number): unknown {
  const all = list(values);
  if (all.length === 0) throw new CelError(sign < 0 ? 'min called on empty list' : 'max called on empty list');
  return all.reduce((best, item) => (celCompare(item, best) * sign > 0 ? item : best));
}

function isSorted(values: unknown): boolean {
  const all = list(values);
  return all.every((item, i) => i === 0 || celCompare(all[i - 1], item) <= 0);
}

function sum(values: unknown): unknown {
  const all = list(values);
  if (all.every((item) => typeof item === 'bigint')) return all.reduce((a: bigint, b) => a + (b as bigint), 0n);
  return all.reduce((a: number, b) => a + count(b), 0);
}

/** A quantity: only these functions know it. */
class QuantityValue {
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }
}

function quantity(value: unknown): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text(value)));
  } catch (error) {
    if (error instanceof CelError) throw error;
    throw new CelError(`quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`);
  }
}

function compared(a: unknown, b: unknown): number {
  return a instanceof QuantityValue && b instanceof QuantityValue ? compareQuantity(a.quantity, b.quantity) : noOverload();
}

function succeeds(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
}

function url(value: unknown): URL {
  const written = text(value);
  if (!URL.canParse(written)) throw new CelError(`URL parse error during conversion from string: ${JSON.stringify(written)}`);
  return new URL(written);
}

const fits = (format: string) => (value: unknown) => stringFormats[format]?.(text(value)) ?? false;
const isIp = (value: unknown): boolean => fits('ipv4')(value) || fits('ipv6')(value);
const within = (outer: unknown, inner: unknown): boolean => list(inner).every((item) => list(outer).some((one) => celEqual(one, item)));
const optional = (value: unknown): Optional => (value instanceof Optional ? value : noOverload());
const date = (value: unknown): Date => (value instanceof Timestamp ? new Date(value.ms) : noOverload());
const span = (value: unknown, unit: number, part: (time: Date) => number): bigint => (value instanceof Duration ? BigInt(Math.trunc(value.ms / unit)) : BigInt(part(date(value))));

function optionalValue(value: unknown): unknown {
  const { hasValue, value: inner } = optional(value);
  if (!hasValue) throw new CelError('optional.none() dereference');
  return inner;
}

function isEmptyValue(value: unknown): boolean {
  return value === null || value === '' || value === false || value === 0 || value === 0n || (Array.isArray(value) && value.length === 0) || (value instanceof Map && value.size === 0);
}

const strings: Readonly<Record<string, Run>> = {
  matches: (value: unknown, pattern: unknown) => search(value, pattern).test(text(value)),
  startsWith: (value, start) => text(value).startsWith(text(start)),
  endsWith: (value, end) => text(value).endsWith(text(end)),
  charAt: (value, at) => letters(value)[count(at)] ?? '',
  lowerAscii: (value) => text(value).replace(/[A-Z]/g, (c) => c.toLowerCase()),
  upperAscii: (value) => text(value).replace(/[a-z]/g, (c) => c.toUpperCase()),
  trim: (value) => text(value).trim(),
  join: (values, by = '') => list(values).map(text).join(text(by)),
  find: (value, pattern) => find(text(value), text(pattern))[0] ?? '',
  findAll: (value, pattern, limit) => find(text(value), text(pattern), limit as bigint | undefined),
  reverse: (value) => (Array.isArray(value) ? ([...value].reverse() as unknown[]) : letters(value).reverse().join('')),
  indexOf,
  lastIndexOf,
  substring,
  split,
  replace,
};

const lists: Readonly<Record<string, Run>> = {
  isSorted,
  sum,
  min: (values) => extreme(values, -1),
  max: (values) => extreme(values, 1),
  'sets.contains': within,
  'sets.equivalent': (a, b) => within(a, b) && within(b, a),
  'sets.intersects': (a, b) => list(a).some((item) => list(b).some((one) => celEqual(one, item))),
};

const conversions: Readonly<Record<string, Run>> = {
  int,
  uint: int,
  double,
  string,
  bool: (value) => (typeof value === 'boolean' ? value : value === 'true' ? true : value === 'false' ? false : noOverload()),
  dyn: (value) => value as unknown,
  type: typeName,
  timestamp: (value) => (value instanceof Timestamp ? value : timestamp(text(value))),
  duration: (value) => (value instanceof Duration ? value : duration(text(value))),
};

const times: Readonly<Record<string, Run>> = {
  getFullYear: (value) => BigInt(date(value).getUTCFullYear()),
  getMonth: (value) => BigInt(date(value).getUTCMonth()),
  getDate: (value) => BigInt(date(value).getUTCDate()),
  getDayOfMonth: (value) => BigInt(date(value).getUTCDate() - 1),
  getDayOfWeek: (value) => BigInt(date(value).getUTCDay()),
  getHours: (value) => span(value, 3_600_000, (time) => time.getUTCHours()),
  getMinutes: (value) => span(value, 60_000, (time) => time.getUTCMinutes()),
  getSeconds: (value) => span(value, 1000, (time) => time.getUTCSeconds()),
  getMilliseconds: (value) => span(value, 1, (time) => time.getUTCMilliseconds()),
};

const libraries: Readonly<Record<string, Run>> = {
  quantity,
  isQuantity: (value) => succeeds(() => quantity(value)),
  compareTo: (a, b) => BigInt(compared(a, b)),
  isGreaterThan: (a, b) => compared(a, b) > 0,
  isLessThan: (a, b) => compared(a, b) < 0,
  url,
  isURL: (value) => succeeds(() => url(value)),
  getScheme: (value) => (value instanceof URL ? value.protocol.slice(0, -1) : noOverload()),
  getHost: (value) => (value instanceof URL ? value.host : noOverload()),
  getHostname: (value) => (value instanceof URL ? value.hostname : noOverload()),
  getPort: (value) => (value instanceof URL ? value.port : noOverload()),
  getEscapedPath: (value) => (value instanceof URL ? value.pathname : noOverload()),
  isIP: isIp,
  isCIDR: fits('cidr'),
  'optional.of': (value: unknown) => new Optional(true, value),
  'optional.none': () => new Optional(false),
  'optional.ofNonZeroValue': (value: unknown) => (isEmptyValue(value) ? new Optional(false) : new Optional(true, value)),
  hasValue: (value) => optional(value).hasValue,
  value: optionalValue,
  orValue: (value: unknown, other: unknown) => (optional(value).hasValue ? optional(value).value : other),
  or: (value, other) => (optional(value).hasValue ? optional(value) : optional(other)),
};

/** Functions by name; a method gets what it is called on first. */
export const functions: Readonly<Record<string, Run>> = {
  size,
  contains: (value, part) => text(value).includes(text(part)),
  ...strings,
  ...lists,
  ...conversions,
  ...times,
  ...libraries,
};
