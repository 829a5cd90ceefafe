import type { KubeObject } from '@orrery/apimachinery';
import { keyOf } from './keys.ts';

/** The values an object is found under in an index. */
export type Indexer<T> = (object: T) => readonly string[];

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
    this.addIndexer('namespace', (object) => [object.metadata?.namespace ?? '']);
    for (const [name, of] of Object.entries(indexers)) this.addIndexer(name, of);
  }

  /** An index of that name which is already there is kept: names must mean the same everywhere. */
  addIndexer(name: string, of: Indexer<T>): void {
    if (this.indexes.has(name)) return;
    const index: Index<T> = { of, values: new Map() };
    this.indexes.set(name, index);
    for (const [key, object] of this.objects) insert(index, key, object);
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
      else insert(index, key, object);
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

function insert<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.of(object)) {
    let found = index.values.get(value);
    if (!found) index.values.set(value, (found = new Map()));
    found.set(key, object);
  }
}

/** Most changes leave an object where it was. */
function replace<T>(index: Index<T>, key: string, { old, object }: { old: T; object: T }): void {
  const before = index.of(old);
  const after = index.of(object);
  if (before.length !== after.length || before.some((value, i) => value !== after[i])) {
    remove(index, key, old);
    insert(index, key, object);
    return;
  }
  for (const value of after) index.values.get(value)?.set(key, object);
}

function remove<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.of(object)) {
    const found = index.values.get(value);
    if (!found?.delete(key) || found.size) continue;
    index.values.delete(value);
  }
}
