import { CelDuration, CelError, type CelTimestamp, type CelValue, readTextAs } from '../values.ts';
import { timestampOf } from './numbers.ts';

const second = 1_000_000_000n;
const million = 1_000_000n;

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})$/;

const nanos = (fraction: string): bigint => BigInt(fraction.slice(0, 9).padEnd(9, '0'));

/** RFC 3339 with up to nine decimals; undefined for anything else, also for days that no month has. */
export function parseTimestamp(text: string): CelTimestamp | undefined {
  const [, year, month, day, hour, minute, sec, fraction = '', zone = 'Z'] = rfc3339.exec(text) ?? [];
  if (year === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(sec) > 59) return undefined;
  const time = new Date(0);
  time.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (time.getUTCMonth() !== Number(month) - 1 || time.getUTCDate() !== Number(day)) return undefined;
  time.setUTCHours(Number(hour), Number(minute), Number(sec));
  const offset = zone === 'Z' ? 0 : offsetSeconds(zone);
  return timestampOf((BigInt(time.getTime()) / 1000n - BigInt(offset)) * second + nanos(fraction));
}

const offsetSeconds = (zone: string): number => (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(-5, -3)) * 3600 + Number(zone.slice(-2)) * 60);

const unitNs: Readonly<Record<string, bigint>> = { h: 3600n * second, m: 60n * second, s: second, ms: million, us: 1000n, 'µs': 1000n, 'μs': 1000n, ns: 1n };
// Both letters that stand for micro. Escaped: one wide character, and the text of a whole bundle is read as wide characters (1.5 MB more are resident).
const durationPart = /(\d+)(?:\.(\d*))?(h|ms|m|s|us|\u00b5s|\u03bcs|ns)|\.(\d+)(h|ms|m|s|us|\u00b5s|\u03bcs|ns)/gy;
const maxDuration = 2n ** 63n;

/** Go's durations: `1h30m`, `-1.5s`, `0`; undefined for anything else and for what 64 bits of nanoseconds do not hold. */
export function parseDuration(text: string): CelDuration | undefined {
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  const rest = text.slice(sign.length);
  if (rest === '0') return new CelDuration(0n);
  let total = 0n;
  let read = 0;
  for (const [part, whole, decimals, unit, onlyDecimals, onlyUnit] of rest.matchAll(durationPart)) {
    read += part.length;
    const scale = unitNs[unit ?? onlyUnit ?? 's'] ?? 0n;
    const fraction = (decimals ?? onlyDecimals ?? '').slice(0, 18);
    total += BigInt(whole ?? '0') * scale + (fraction === '' ? 0n : (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length));
  }
  if (read !== rest.length || rest === '' || total > (sign === '-' ? maxDuration : maxDuration - 1n)) return undefined;
  return new CelDuration(sign === '-' ? -total : total);
}

function decimals(ns: bigint): string {
  return ns === 0n ? '' : `.${String(ns).padStart(9, '0').replace(/0+$/, '')}`;
}

const floorDivide = (a: bigint, b: bigint): bigint => (a >= 0n || a % b === 0n ? a / b : a / b - 1n);

export function timestampText({ ns }: CelTimestamp): string {
  const seconds = floorDivide(ns, second);
  const day = new Date(Number(seconds) * 1000).toISOString().replace(/^\+00/, '');
  return `${day.slice(0, 19)}${decimals(ns - seconds * second)}Z`;
}

/** Seconds: `90s`, `-0.5s`. */
export function durationText({ ns }: CelDuration): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}${size / second}${decimals(size % second)}s`;
}

/** The moment as UTC shows it, moved to a time zone: an IANA name or `+hh:mm`. */
function zoned({ ns }: CelTimestamp, zone: string): Date {
  const seconds = Number(floorDivide(ns, second));
  const ms = seconds * 1000;
  if (/^[+-]?\d{2}:\d{2}$/.test(zone)) return new Date(ms + offsetSeconds(zone) * 1000);
  if (zone === '' || zone === 'UTC') return new Date(ms);
  try {
    const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' }).formatToParts(new Date(ms));
    const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value);
    return new Date(Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')));
  } catch (error) {
    if (error instanceof RangeError) throw new CelError(`unknown time zone ${zone}`);
    throw error;
  }
}

const dayMs = 86_400_000;
const dayOfYear = (time: Date): number => Math.floor((Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate()) - Date.UTC(time.getUTCFullYear(), 0, 1)) / dayMs);

const parts: Readonly<Record<string, (time: Date) => number>> = {
  getFullYear: (time) => time.getUTCFullYear(),
  getMonth: (time) => time.getUTCMonth(),
  getDayOfYear: dayOfYear,
  getDayOfMonth: (time) => time.getUTCDate() - 1,
  getDate: (time) => time.getUTCDate(),
  getDayOfWeek: (time) => time.getUTCDay(),
  getHours: (time) => time.getUTCHours(),
  getMinutes: (time) => time.getUTCMinutes(),
  getSeconds: (time) => time.getUTCSeconds(),
};

export const timestampParts = [...Object.keys(parts), 'getMilliseconds'];

/** `t.getHours(zone)` and its like. */
export function timestampPart(name: string): (time: CelTimestamp, zone?: string) => bigint {
  if (name === 'getMilliseconds') return ({ ns }) => (ns - floorDivide(ns, second) * second) / million;
  const part = parts[name] as (time: Date) => number;
  return (time, zone = '') => BigInt(part(zoned(time, zone)));
}

/** `d.getHours()` is all of it in hours, without what is left. */
export const durationParts: Readonly<Record<string, (duration: CelDuration) => bigint>> = {
  getHours: ({ ns }) => ns / (3600n * second),
  getMinutes: ({ ns }) => ns / (60n * second),
  getSeconds: ({ ns }) => ns / second,
  getMilliseconds: ({ ns }) => (ns / million) % 1000n,
};

/** JSON text of format date-time, date or duration; what is not of the format stays a text. */
function readTimestamp(text: string): CelValue {
  return parseTimestamp(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text.replace(/[tz]/g, (letter) => letter.toUpperCase())) ?? text;
}

readTextAs('timestamp', readTimestamp);
readTextAs('duration', (text) => parseDuration(text) ?? text);
readTextAs('bytes', (text) => Uint8Array.from(Buffer.from(text, 'base64')));
