import type { KubeObject } from '@orrery/apimachinery';
import { keyOf } from './keys.ts';

/** The values an object is found under in an index: one, several or none. */
export type Indexer<T> = (object: T) => string | readonly string[] | undefined;

const noObjects: ReadonlyMap<string, never> = new Map<string, never>();

/** The read side of an informer's cache. Objects are shared: copy before changing. */
export interface ObjectStore<T extends KubeObject> {
  get(key: string): T | undefined;
  has(key: string): boolean;
  readonly size: number;
  /** All objects; in no particular order. */
  list(): IterableIterator<T>;
  keys(): IterableIterator<string>;
  /** Objects found under `value` of an index; `namespace` is an index that always exists. Throws for an unknown index. */
  byIndex(index: string, value: string): IterableIterator<T>;
  /** How many objects `byIndex` would give. */
  countByIndex(index: string, value: string): number;
}

interface Index<T> {
  readonly of: Indexer<T>;
  readonly values: Map<string, Map<string, T>>;
}

/** Objects by `namespace/name`, with indexes that are kept as objects come and go. */
export class IndexedStore<T extends KubeObject> implements ObjectStore<T> {
  private readonly objects = new Map<string, T>();
  private readonly indexes = new Map<string, Index<T>>();

  constructor(indexers: Readonly<Record<string, Indexer<T>>> = {}) {
    this.addIndexer('namespace', (object) => object.metadata?.namespace ?? '');
    for (const [name, of] of Object.entries(indexers)) this.addIndexer(name, of);
  }

  /** An index of that name which is already there is kept: names must mean the same everywhere. */
  addIndexer(name: string, of: Indexer<T>): void {
    if (this.indexes.has(name)) return;
    const index: Index<T> = { of, values: new Map() };
    this.indexes.set(name, index);
    for (const [key, object] of this.objects) insert(index, index.of(object), key, object);
  }

  get size(): number {
    return this.objects.size;
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  has(key: string): boolean {
    return this.objects.has(key);
  }

  list(): IterableIterator<T> {
    return this.objects.values();
  }

  keys(): IterableIterator<string> {
    return this.objects.keys();
  }

  byIndex(index: string, value: string): IterableIterator<T> {
    return (this.index(index).values.get(value) ?? noObjects).values();
  }

  countByIndex(index: string, value: string): number {
    return this.index(index).values.get(value)?.size ?? 0;
  }

  /** Stores an object and returns what it replaces. */
  set(object: T, key: string = keyOf(object)): T | undefined {
    const old = this.objects.get(key);
    this.objects.set(key, object);
    for (const index of this.indexes.values()) {
      if (old) replace(index, key, { old, object });
      else insert(index, index.of(object), key, object);
    }
    return old;
  }

  delete(key: string): T | undefined {
    const old = this.objects.get(key);
    if (!old) return undefined;
    this.objects.delete(key);
    for (const index of this.indexes.values()) remove(index, key, old);
    return old;
  }

  private index(name: string): Index<T> {
    const found = this.indexes.get(name);
    if (!found) throw new Error(`no index named ${name}`);
    return found;
  }
}

function insertAt<T>({ values }: Index<T>, value: string, key: string, object: T): void {
  const found = values.get(value);
  if (found) found.set(key, object);
  else values.set(value, new Map([[key, object]]));
}

function removeAt<T>({ values }: Index<T>, value: string, key: string): void {
  const found = values.get(value);
  if (found?.delete(key) && found.size === 0) values.delete(value);
}

type Values = ReturnType<Indexer<unknown>>;

function insert<T>(index: Index<T>, of: Values, key: string, object: T): void {
  if (of === undefined) return;
  if (typeof of === 'string') insertAt(index, of, key, object);
  else for (const value of of) insertAt(index, value, key, object);
}

function sameValues(a: Values, b: Values): boolean {
  if (a === b) return true;
  return typeof a === 'object' && typeof b === 'object' && a.length === b.length && a.every((value, i) => value === b[i]);
}

/** Most changes leave an object where it was. */
function replace<T>(index: Index<T>, key: string, { old, object }: { old: T; object: T }): void {
  const now = index.of(object);
  if (!sameValues(index.of(old), now)) remove(index, key, old);
  insert(index, now, key, object);
}

function remove<T>(index: Index<T>, key: string, object: T): void {
  const of = index.of(object);
  if (of === undefined) return;
  if (typeof of === 'string') removeAt(index, of, key);
  else for (const value of of) removeAt(index, value, key);
}
