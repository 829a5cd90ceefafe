import { isRecord } from '@orrery/apimachinery';

/**
 * Values: int is bigint, double is number; string, bool, null; lists are arrays, maps and objects are Map; timestamps,
 * durations and optionals have classes of their own.
 */
export class Timestamp {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

export class Duration {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

export class Optional {
  readonly value: unknown;
  readonly hasValue: boolean;
  constructor(hasValue: boolean, value?: unknown) {
    this.hasValue = hasValue;
    this.value = value;
  }
}

/** What a rule runs into: a missing key, a wrong type. */
export class CelError extends Error {}

type Schema = Readonly<Record<string, unknown>>;

const schemaOf = (value: unknown): Schema => (isRecord(value) ? value : {});

function textOf(value: string, format: unknown): unknown {
  if (format === 'date-time' || format === 'date') return timestamp(value);
  return format === 'duration' ? duration(value) : value;
}

/** A JSON value as rules see it: the schema tells ints from doubles, and hides what it does not know. */
export function celValue(value: unknown, schema: Schema): unknown {
  if (typeof value === 'number') return schema['type'] === 'number' || !Number.isInteger(value) ? value : BigInt(value);
  if (typeof value === 'string') return textOf(value, schema['format']);
  if (Array.isArray(value)) return value.map((item) => celValue(item, schemaOf(schema['items'])));
  if (!isRecord(value)) return value;
  const properties = schemaOf(schema['properties']);
  const more = schema['additionalProperties'];
  const keepsAll = schema['x-kubernetes-preserve-unknown-fields'] === true || isRecord(more);
  const embedded = schema['x-kubernetes-embedded-resource'] === true;
  const out = new Map<string, unknown>();
  for (const [name, member] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name);
    if (known || keepsAll || (embedded && ['apiVersion', 'kind', 'metadata'].includes(name))) out.set(name, celValue(member, schemaOf(known ? properties[name] : more)));
  }
  return out;
}

export function timestamp(text: string): Timestamp {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new CelError(`invalid timestamp ${JSON.stringify(text)}`);
  return new Timestamp(ms);
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

export function duration(text: string): Duration {
  const [, sign = '', rest = ''] = /^([+-]?)((?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+|0)$/.exec(text) ?? [];
  if (rest === '') throw new CelError(`invalid duration ${JSON.stringify(text)}`);
  let ms = 0;
  for (const [, amount = '0', unit = 's'] of rest.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) ms += Number(amount) * (unitMs[unit] ?? 0);
  return new Duration(sign === '-' ? -ms : ms);
}

export function typeName(value: unknown): string {
  if (value === null) return 'null_type';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'double';
  if (typeof value === 'boolean') return 'bool';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Map) return 'map';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  return value instanceof Optional ? 'optional_type' : typeof value;
}

export const isNumber = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

export function celEqual(a: unknown, b: unknown): boolean {
  // An int equals a double of the same amount.
  if (isNumber(a) && isNumber(b)) return Number(a) === Number(b) && (typeof a !== typeof b || a === b);
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => celEqual(item, b[i]));
  if (a instanceof Map) return b instanceof Map && a.size === b.size && [...a].every(([key, value]) => b.has(key) && celEqual(value, b.get(key)));
  if ((a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration)) return a.ms === b.ms;
  if (a instanceof Optional) return b instanceof Optional && a.hasValue === b.hasValue && celEqual(a.value, b.value);
  return a === b;
}

/** Negative, zero or positive. */
export function celCompare(a: unknown, b: unknown): number {
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if ((a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration)) return a.ms - b.ms;
  throw new CelError('no such overload');
}
