import type { FieldSchema, ObjectSchema, Schema } from '@orrery/apimachinery';

/** How a message lays out: fields by number, structs embedded in Go (one object in JSON) as nested plans. */
export interface WirePlan {
  readonly entries: ReadonlyMap<number, WireEntry>;
}

export type WireEntry = { readonly field: FieldSchema; readonly embedded?: undefined } | { readonly field?: undefined; readonly embedded: WirePlan };

const plans = new WeakMap<ObjectSchema, WirePlan>();

function build(fields: readonly { readonly field: FieldSchema; readonly path: readonly number[] }[]): WirePlan {
  const entries = new Map<number, WireEntry>();
  const groups = new Map<number, { field: FieldSchema; path: readonly number[] }[]>();
  for (const { field, path } of fields) {
    const [number = 0, ...rest] = path;
    if (rest.length === 0) entries.set(number, { field });
    else groups.set(number, [...(groups.get(number) ?? []), { field, path: rest }]);
  }
  for (const [number, group] of groups) entries.set(number, { embedded: build(group) });
  return { entries: new Map([...entries].sort(([a], [b]) => a - b)) };
}

export function wirePlan(schema: ObjectSchema): WirePlan {
  let plan = plans.get(schema);
  if (!plan) {
    const fields = [...schema.fields.values()].filter((field) => field.wirePath.length > 0);
    plan = build(fields.map((field) => ({ field, path: field.wirePath })));
    plans.set(schema, plan);
  }
  return plan;
}

/** A list of strings inside a map is a message of its own, and so is a list flagged so. */
export function isWrappedList(schema: Schema, field: FieldSchema | undefined): boolean {
  return schema.type === 'list' && (field === undefined || field.wrapped);
}

const units: readonly [string, bigint][] = [['h', 3_600_000_000_000n], ['m', 60_000_000_000n], ['s', 1_000_000_000n]];

/** `metav1.Duration` as Go writes it: `1h2m3.5s`, `100ms`. */
export function formatDuration(nanos: bigint): string {
  if (nanos < 0n) return `-${formatDuration(-nanos)}`;
  if (nanos === 0n) return '0s';
  const decimal = (unit: bigint): string => {
    const fraction = (nanos % unit).toString().padStart(unit.toString().length - 1, '0').replace(/0+$/, '');
    return `${nanos / unit}${fraction ? `.${fraction}` : ''}`;
  };
  if (nanos < 1000n) return `${nanos}ns`;
  if (nanos < 1_000_000n) return `${decimal(1000n)}µs`;
  if (nanos < 1_000_000_000n) return `${decimal(1_000_000n)}ms`;
  const hours = nanos / 3_600_000_000_000n;
  const minutes = (nanos / 60_000_000_000n) % 60n;
  const rest = nanos % 60_000_000_000n;
  const fraction = (rest % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const seconds = `${rest / 1_000_000_000n}${fraction ? `.${fraction}` : ''}s`;
  return `${hours > 0n ? `${hours}h` : ''}${hours > 0n || minutes > 0n ? `${minutes}m` : ''}${seconds}`;
}

/** The nanoseconds of a Go duration; undefined when the text is none. */
export function parseDuration(text: string): bigint | undefined {
  const match = /^(-?)((?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+|0)$/.exec(text);
  if (!match) return undefined;
  const small: Record<string, bigint> = { ms: 1_000_000n, us: 1000n, µs: 1000n, ns: 1n };
  let sum = 0n;
  for (const [, whole = '0', fraction = '', unit = 'ns'] of (match[2] ?? '').matchAll(/(\d+)(?:\.(\d+))?(h|ms|m|s|us|µs|ns)/g)) {
    const size = units.find(([name]) => name === unit)?.[1] ?? small[unit] ?? 1n;
    sum += BigInt(whole) * size;
    if (fraction) sum += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  return match[1] === '-' ? -sum : sum;
}
