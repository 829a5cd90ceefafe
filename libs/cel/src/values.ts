import { type CelType, type ListSemantics, type ObjectType, dynType, stringType } from './types.ts';

/**
 * Values of CEL: null, bool, string, int (bigint), double (number), bytes (Uint8Array), and the classes below.
 * Lists and maps over JSON convert their members by declared type when they are read.
 */
export type CelValue = null | boolean | string | bigint | number | Uint8Array | CelUint | CelList | CelMap | CelTimestamp | CelDuration | CelOptional | CelTypeValue | CelOpaque;

/** What an expression runs into; the message is upstream's. */
export class CelError extends Error {}

export class CelUint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** Nanoseconds since 1970. */
export class CelTimestamp {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

export class CelDuration {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

export class CelOptional {
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    this.value = value;
  }
}

export class CelTypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A value that only functions know: a URL, an IP, a quantity, an authorizer check. `text` identifies it for equality. */
export class CelOpaque {
  readonly typeName: string;
  readonly value: unknown;
  /** size() for cost; 1 for most. */
  readonly size: number;
  constructor(options: { readonly typeName: string; readonly value: unknown; readonly size?: number }) {
    this.typeName = options.typeName;
    this.value = options.value;
    this.size = options.size ?? 1;
  }
}

/** A list of values, or of JSON read by `element`. */
export class CelList {
  readonly element: CelType | undefined;
  readonly semantics: ListSemantics | undefined;
  readonly size: number;
  private readonly items: readonly unknown[];
  /** Of two lists put together: nothing is copied until all of it is wanted. */
  private readonly halves: readonly [CelList, CelList] | undefined;

  constructor(items: readonly unknown[] | readonly [CelList, CelList], options: { readonly element?: CelType; readonly semantics?: ListSemantics; readonly isSum?: boolean } = {}) {
    this.halves = options.isSum ? (items as readonly [CelList, CelList]) : undefined;
    this.items = items;
    this.size = this.halves ? this.halves[0].size + this.halves[1].size : items.length;
    this.element = options.element;
    this.semantics = options.semantics;
  }

  at(index: number): CelValue {
    let list: CelList = this;
    let i = index;
    for (let { halves } = list; halves; { halves } = list) {
      const [left, right] = halves;
      if (i < left.size) list = left;
      else {
        i -= left.size;
        list = right;
      }
    }
    const item = list.items[i];
    return list.element ? fromJson(item, list.element) : (item as CelValue);
  }

  /** All items. Throws CelError when there are more than can be had. */
  values(): readonly CelValue[] {
    const { element, items } = this;
    if (this.halves) return this.flat();
    return element ? items.map((item) => fromJson(item, element)) : (items as readonly CelValue[]);
  }

  private flat(): readonly CelValue[] {
    if (this.size > maxItems) throw new CelError('operation interrupted');
    const found: CelValue[] = [];
    const rest: CelList[] = [this];
    for (let list = rest.pop(); list; list = rest.pop()) {
      if (list.halves) rest.push(list.halves[1], list.halves[0]);
      else for (const value of list.values()) found.push(value);
    }
    return found;
  }
}

/** More cannot be looked at within any budget. */
const maxItems = 10_000_000;

/** Bounds the work on values whose parts may be the same many times over. */
export class Steps {
  private left = maxItems;

  /** Throws CelError. */
  take(count = 1): void {
    this.left -= count;
    if (this.left < 0) throw new CelError('operation interrupted');
  }
}

export type MapKey = string | bigint | boolean;

/** Keys as JavaScript compares them: whole doubles and uints as ints; undefined for what cannot be a key. */
export function mapKey(value: CelValue): MapKey | undefined {
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean') return value;
  if (value instanceof CelUint) return value.value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
}

/** A map or an object with fields. */
export interface CelMap {
  readonly isMap: true;
  /** What `type()` says: `map`, or an object type's name. */
  readonly typeName: string;
  readonly size: number;
  find(key: CelValue): CelValue | undefined;
  keys(): readonly CelValue[];
}

export class LiteralMap implements CelMap {
  readonly isMap = true;
  readonly typeName: string;
  private readonly entries: ReadonlyMap<MapKey, readonly [CelValue, CelValue]>;
  constructor(entries: ReadonlyMap<MapKey, readonly [CelValue, CelValue]>, typeName = 'map') {
    this.entries = entries;
    this.typeName = typeName;
  }

  get size(): number {
    return this.entries.size;
  }

  find(key: CelValue): CelValue | undefined {
    const wanted = mapKey(key);
    return wanted === undefined ? undefined : this.entries.get(wanted)?.[1];
  }

  keys(): readonly CelValue[] {
    return [...this.entries.values()].map(([key]) => key);
  }
}

/** A JSON object as a map: all keys are strings. */
export class JsonMap implements CelMap {
  readonly isMap = true;
  readonly typeName = 'map';
  private readonly json: Readonly<Record<string, unknown>>;
  private readonly valueType: CelType;
  constructor(json: Readonly<Record<string, unknown>>, valueType: CelType) {
    this.json = json;
    this.valueType = valueType;
  }

  get size(): number {
    return Object.keys(this.json).length;
  }

  find(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.json, key)) return undefined;
    const value = this.json[key];
    return value === undefined ? undefined : fromJson(value, this.valueType);
  }

  keys(): readonly CelValue[] {
    return Object.keys(this.json);
  }
}

/** A JSON object with declared fields; others are hidden unless the type is open. A field that is undefined is absent. */
export class JsonObject implements CelMap {
  readonly isMap = true;
  private readonly json: Readonly<Record<string, unknown>>;
  private readonly type: ObjectType;
  constructor(json: Readonly<Record<string, unknown>>, type: ObjectType) {
    this.json = json;
    this.type = type;
  }

  get typeName(): string {
    return this.type.name;
  }

  get size(): number {
    return this.keys().length;
  }

  find(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return undefined;
    const field = this.type.fields.get(key);
    if (!field && !this.type.open) return undefined;
    const name = field?.jsonName ?? key;
    const value = Object.hasOwn(this.json, name) ? this.json[name] : undefined;
    return value === undefined ? undefined : value instanceof Lazy ? value.get() : fromJson(value, field?.type ?? dynType);
  }

  keys(): readonly CelValue[] {
    if (this.type.open) return Object.keys(this.json);
    return [...this.type.fields].filter(([, { jsonName }]) => Object.hasOwn(this.json, jsonName) && this.json[jsonName] !== undefined).map(([name]) => name);
  }
}

/** A binding, or a field of an object bound, that is computed when it is first used; what it throws as CelError is the expression's error. */
export class Lazy {
  private readonly compute: () => CelValue;
  private known: { readonly value: CelValue } | undefined;
  constructor(compute: () => CelValue) {
    this.compute = compute;
  }

  get(): CelValue {
    this.known ??= { value: this.compute() };
    return this.known.value;
  }
}

export const lazy = (compute: () => CelValue): Lazy => new Lazy(compute);

export const isCelMap = (value: unknown): value is CelMap => typeof value === 'object' && value !== null && (value as Partial<CelMap>).isMap === true;

/** Readers of formatted strings: date-time, date, duration, byte. Set by the modules that know the formats. */
export type TextReader = (text: string) => CelValue;

const textReaders: Partial<Record<CelType['kind'], TextReader>> = {};

export function readTextAs(kind: CelType['kind'], reader: TextReader): void {
  textReaders[kind] = reader;
}

/** A JSON value by its declared type; what does not fit the type is taken for what it is. A CelValue is left alone. */
export function fromJson(json: unknown, type: CelType): CelValue {
  switch (typeof json) {
    case 'string':
      return textReaders[type.kind]?.(json) ?? json;
    case 'number':
      return type.kind === 'double' || !Number.isInteger(json) ? json : BigInt(json);
    case 'bigint':
      return type.kind === 'double' ? Number(json) : json;
    case 'boolean':
      return json;
    case 'object':
      return json === null ? null : structured(json, type);
    default:
      return null;
  }
}

const isOwnKind = (json: object): boolean =>
  json instanceof CelOptional || json instanceof CelOpaque || json instanceof CelList || json instanceof CelTimestamp || json instanceof CelDuration || json instanceof CelUint || json instanceof CelTypeValue || json instanceof Uint8Array || isCelMap(json);

function structured(json: object, type: CelType): CelValue {
  if (Array.isArray(json)) return type.kind === 'list' ? new CelList(json as unknown[], type) : new CelList(json as unknown[], { element: dynType });
  if (Object.getPrototypeOf(json) !== Object.prototype) {
    if (json instanceof Lazy) return json.get();
    if (isOwnKind(json)) return json as CelValue;
  }
  const record = json as Readonly<Record<string, unknown>>;
  if (type.kind === 'object') return new JsonObject(record, type);
  return new JsonMap(record, type.kind === 'map' ? type.value : dynType);
}

export function typeNameOf(value: CelValue): string {
  if (value === null) return 'null_type';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'double';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return stringType.kind;
  if (value instanceof CelUint) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof CelList) return 'list';
  if (value instanceof CelTimestamp) return 'google.protobuf.Timestamp';
  if (value instanceof CelDuration) return 'google.protobuf.Duration';
  if (value instanceof CelOptional) return 'optional_type';
  return value instanceof CelTypeValue ? 'type' : value.typeName;
}
