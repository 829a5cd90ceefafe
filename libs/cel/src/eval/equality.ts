import { CelDuration, CelError, CelList, CelOpaque, CelOptional, CelTimestamp, CelTypeValue, CelUint, Steps, type CelMap, type CelValue, isCelMap, mapKey } from '../values.ts';

/** An int, uint or double as JavaScript compares them: bigint with number exactly. undefined for everything else. */
export function numeric(value: CelValue): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof CelUint ? value.value : undefined;
}

/** Opaque values tell by themselves whether they are equal. */
export type OpaqueEquality = (a: unknown, b: unknown) => boolean;
const opaqueEqualities = new Map<string, OpaqueEquality>();

export function compareOpaqueBy(typeName: string, equal: OpaqueEquality): void {
  opaqueEqualities.set(typeName, equal);
}

/** What tells members of an x-kubernetes-list-type map apart. */
export function memberKey(member: CelValue, keys: readonly string[]): string {
  return JSON.stringify(keys.map((key) => (isCelMap(member) ? String(member.find(key) ?? null) : null)));
}

function equalSets(a: CelList, b: CelList, steps: Steps): boolean {
  const others = b.values();
  return a.values().every((item) => others.some((other) => equal(item, other, steps)));
}

function equalByKeys(a: CelList, b: CelList, { keys, steps }: { readonly keys: readonly string[]; readonly steps: Steps }): boolean {
  const others = new Map(b.values().map((member) => [memberKey(member, keys), member]));
  return a.values().every((member) => {
    const other = others.get(memberKey(member, keys));
    return other !== undefined && equal(member, other, steps);
  });
}

function equalLists(a: CelList, b: CelList, steps: Steps): boolean {
  if (a.size !== b.size) return false;
  if (a.semantics?.kind === 'set') return equalSets(a, b, steps);
  if (a.semantics) return equalByKeys(a, b, { keys: a.semantics.keys, steps });
  for (let i = 0; i < a.size; i += 1) if (!equal(a.at(i), b.at(i), steps)) return false;
  return true;
}

function equalMaps(a: CelMap, b: CelMap, steps: Steps): boolean {
  const keys = a.keys();
  if (keys.length !== b.size) return false;
  return keys.every((key) => {
    const other = b.find(key);
    return other !== undefined && equal(a.find(key) as CelValue, other, steps);
  });
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function equalOpaque(a: CelOpaque, b: CelOpaque): boolean {
  if (a.typeName !== b.typeName) return false;
  return a.value === b.value || (opaqueEqualities.get(a.typeName)?.(a.value, b.value) ?? false);
}

function equalScalars(a: CelValue, b: CelValue): boolean {
  if (typeof a === typeof b || a === null) return a === b;
  const [left, right] = [numeric(a), numeric(b)];
  // Of a bigint and a number == is exact.
  return left !== undefined && right !== undefined && left == right; // eslint-disable-line eqeqeq
}

function equal(a: CelValue, b: CelValue, steps: Steps): boolean {
  if (typeof a !== 'object' || a === null) return equalScalars(a, b);
  steps.take();
  if (a instanceof CelList) return b instanceof CelList && (b.semantics && !a.semantics ? equalLists(b, a, steps) : equalLists(a, b, steps));
  if (isCelMap(a)) return isCelMap(b) && equalMaps(a, b, steps);
  if (a instanceof CelUint) return equalScalars(a.value, b instanceof CelUint ? b.value : b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && equalBytes(a, b);
  if (a instanceof CelTimestamp) return b instanceof CelTimestamp && a.ns === b.ns;
  if (a instanceof CelDuration) return b instanceof CelDuration && a.ns === b.ns;
  if (a instanceof CelTypeValue) return b instanceof CelTypeValue && a.name === b.name;
  if (a instanceof CelOptional) return b instanceof CelOptional && (a.value === undefined || b.value === undefined ? a.value === b.value : equal(a.value, b.value, steps));
  return a instanceof CelOpaque && b instanceof CelOpaque && equalOpaque(a, b);
}

/** `==`: numbers of different types by amount, everything else of different types unequal. Throws CelError for values beyond measure. */
export function celEqual(a: CelValue, b: CelValue): boolean {
  return typeof a === 'object' && a !== null ? equal(a, b, new Steps()) : equalScalars(a, b);
}

const order = (less: boolean, more: boolean): number => (less ? -1 : more ? 1 : 0);

/** By code points, which is the order of UTF-8. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i += 1) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left === right) continue;
    const high = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);
    return high(left) - high(right);
  }
  return a.length - b.length;
}

/** Negative, zero or positive; NaN when one is NaN. Throws CelError for what has no order. */
export function celCompare(a: CelValue, b: CelValue): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  const [left, right] = [numeric(a), numeric(b)];
  if (left !== undefined && right !== undefined) return Number.isNaN(left) || Number.isNaN(right) ? Number.NaN : order(left < right, left > right);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if ((a instanceof CelTimestamp && b instanceof CelTimestamp) || (a instanceof CelDuration && b instanceof CelDuration)) return order(a.ns < b.ns, a.ns > b.ns);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  throw new CelError('no such overload');
}

/** `x in container`. */
export function contains(container: CelValue, item: CelValue): boolean {
  if (container instanceof CelList) {
    for (let i = 0; i < container.size; i += 1) if (celEqual(container.at(i), item)) return true;
    return false;
  }
  if (!isCelMap(container)) throw new CelError('no such overload');
  return mapKey(item) !== undefined && container.find(item) !== undefined;
}
