import type { KindDescriptor } from '@orrery/api';
import BTreeModule from 'sorted-btree';
import { type Unreadable, unreadableList } from '../storage/errors.ts';
import { ChangeRing } from './change-ring.ts';
import type { Entry } from './entry.ts';
import { Change, type Frame } from './frame.ts';
import { type Selection, indexedFields, selects } from './selection.ts';
import { type Watcher, type WatchConsumer, Watchers, frameFor } from './watchers.ts';

// The package is CommonJS: Node hands over its exports object, bundlers the class itself.
const BTree = ('default' in BTreeModule ? BTreeModule.default : BTreeModule) as typeof import('sorted-btree').default;
type Tree = InstanceType<typeof BTree<string, Entry>>;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** An immutable view of a resource at one revision, for pages of one list. */
export interface Snapshot {
  readonly revision: number;
  /** Entries of the selection after `after` (a key), up to `limit`; and how many of the scope remain behind the last one. */
  page(selection: Selection, options: { after?: string; limit?: number }): { entries: Entry[]; remaining: number; more: boolean };
}

/** One key's new state; `entry` undefined: deleted. */
export interface Update {
  readonly key: string;
  readonly revision: number;
  readonly entry: Entry | undefined;
}

export type ChangeListener = (change: Change) => void;

/** The current objects of one resource in key order, its latest changes, and everyone who watches them. */
export class ResourceCache {
  /** The kind in which the objects are stored. */
  kind: KindDescriptor;
  /** `/registry/pods/` */
  readonly prefix: string;
  /** Changes since the start, for metrics. */
  received = 0;
  readonly capacity: number;
  private items: Tree = new BTree<string, Entry>(undefined, compare);
  /** The same items, for look-ups. */
  private byKey = new Map<string, Entry>();
  private readonly indexes = new Map<string, Map<string, Map<string, Entry>>>();
  private readonly watchers: Watchers;
  private readonly listeners = new Map<ChangeListener, ((revision: number) => void) | undefined>();
  private ring: ChangeRing;
  private loading: Update[] | undefined;
  /** What the content was listed at: older changes are in it already. */
  private since: number;
  private unreadable: readonly Unreadable[] = [];

  constructor(options: { kind: KindDescriptor; prefix: string; capacity: number; revision: number }) {
    this.kind = options.kind;
    this.prefix = options.prefix;
    this.capacity = options.capacity;
    this.since = options.revision;
    this.ring = new ChangeRing(options.capacity, options.revision);
    this.watchers = new Watchers(options.kind);
    for (const field of indexedFields(options.kind)) this.indexes.set(field, new Map());
  }

  get size(): number {
    return this.items.size;
  }

  get watcherCount(): number {
    return this.watchers.size;
  }

  /** Watches from before this revision must list again. */
  get oldestRevision(): number {
    return this.ring.oldest;
  }

  get(key: string): Entry | undefined {
    return this.byKey.get(key);
  }

  /** Replaces the content (first list, or list after the watch lost its place) and ends all watches. */
  replace(entries: readonly Entry[], revision: number): void {
    const old = this.items;
    this.loading = undefined;
    this.items = new BTree<string, Entry>(undefined, compare);
    this.byKey = new Map(entries.map((entry) => [entry.key, entry]));
    this.since = revision;
    for (const groups of this.indexes.values()) groups.clear();
    for (const entry of entries) {
      this.items.set(entry.key, entry);
      this.index(entry, undefined);
    }
    this.ring = new ChangeRing(this.capacity, revision);
    this.notifyDifferences(old, revision);
    this.watchers.resetAll();
  }

  /** What is stored here is now read as `kind` says (a custom resource's definition changed): ends all watches. */
  adopt(kind: KindDescriptor, revision: number): void {
    this.kind = kind;
    for (const reset of this.listeners.values()) reset?.(revision);
    this.watchers.resetAll();
  }

  /** Throws while an object of the resource cannot be read: lists and watches answer rather nothing than a part. */
  checkReadable(): void {
    const [first] = this.unreadable;
    if (first) throw unreadableList(first);
  }

  get isReadable(): boolean {
    return this.unreadable.length === 0;
  }

  /** What is stored cannot all be read. Ends all watches when that is new; the content has to be listed again to be whole. */
  markUnreadable(values: readonly Unreadable[]): void {
    const isNew = this.isReadable && values.length > 0;
    this.unreadable = values;
    if (isNew) this.watchers.resetAll();
  }

  /** True while the content is being listed: changes wait. */
  get isLoading(): boolean {
    return this.loading !== undefined;
  }

  /** Changes from here on wait for `finishLoad`. */
  beginLoad(): void {
    this.loading = [];
  }

  /** Does nothing when the content was replaced meanwhile. */
  finishLoad(entries: readonly Entry[], revision: number): void {
    const waiting = this.loading;
    if (!waiting) return;
    this.replace(entries, revision);
    if (waiting.length) this.apply(waiting);
  }

  /** Applies changes of one batch and tells everyone. Deletions of unknown keys are dropped. */
  apply(updates: readonly Update[]): void {
    if (this.loading) {
      this.loading.push(...updates);
      return;
    }
    const changes: Change[] = [];
    const isFollowed = this.watchers.size > 0 || this.listeners.size > 0;
    for (const { key, revision, entry } of updates) {
      if (revision <= this.since) continue;
      const previous = this.byKey.get(key);
      if (!entry && !previous) continue;
      this.put(key, entry);
      this.index(entry, previous);
      const change = new Change(revision, key, { ...(entry ? { current: entry } : {}), ...(previous ? { previous } : {}) });
      this.ring.push(change, isFollowed);
      changes.push(change);
    }
    this.received += changes.length;
    for (const change of changes) for (const listener of this.listeners.keys()) listener(change);
    this.watchers.dispatch(changes);
  }

  /** All entries of a selection in key order. */
  list(selection: Selection): Entry[] {
    const { key, indexed, matches } = selection;
    const found: Entry[] = [];
    if (key !== undefined) {
      const entry = this.byKey.get(key);
      if (entry && (matches?.(entry) ?? true)) found.push(entry);
      return found;
    }
    const index = indexed ? this.indexes.get(indexed.field) : undefined;
    if (index && indexed) {
      for (const entry of index.get(indexed.value)?.values() ?? []) if (selects(selection, entry)) found.push(entry);
      return found.sort((a, b) => compare(a.key, b.key));
    }
    scan(this.items, selection, (_, entry) => {
      if (!matches || matches(entry)) found.push(entry);
      return true;
    });
    return found;
  }

  snapshot(revision: number): Snapshot {
    return snapshotOf(this.items.clone(), revision);
  }

  /** A page of the current state. */
  page(selection: Selection, options: { after?: string; limit?: number }): ReturnType<Snapshot['page']> {
    return pageOf(this.items, selection, options);
  }

  /** Changes after `after` in the ring. Call only when `after >= oldestRevision`. */
  changesAfter(after: number): Iterable<Change> {
    return this.ring.after(after);
  }

  /** Changes after `after` in the ring, then everything to come. Call only when `after >= oldestRevision`. */
  watch(options: { selection: Selection; after: number; consumer: WatchConsumer }): () => void {
    const { selection, after, consumer } = options;
    const missed: Frame[] = [];
    for (const change of this.ring.after(after)) {
      const frame = frameFor(selection, change);
      if (frame) missed.push(frame);
    }
    const watcher: Watcher = { selection, consumer, after };
    const stop = this.watchers.add(watcher);
    if (missed.length) consumer.frames(missed);
    return stop;
  }

  /**
   * Calls back for every change before watchers hear of it. After the content was listed anew the differences are told as
   * changes, or, to who gave `reset`, only that it was. The callbacks must not throw.
   */
  listen(listener: ChangeListener, reset?: (revision: number) => void): () => void {
    this.listeners.set(listener, reset);
    return () => void this.listeners.delete(listener);
  }

  private put(key: string, entry: Entry | undefined): void {
    if (entry) {
      this.items.set(key, entry);
      this.byKey.set(key, entry);
    } else {
      this.items.delete(key);
      this.byKey.delete(key);
    }
  }

  private index(entry: Entry | undefined, previous: Entry | undefined): void {
    for (const [field, groups] of this.indexes) {
      const before = previous?.fields(this.kind)[field];
      const after = entry?.fields(this.kind)[field];
      if (before !== undefined && before !== after && previous) {
        const group = groups.get(before);
        if (group?.delete(previous.key) && group.size === 0) groups.delete(before);
      }
      if (after === undefined || !entry) continue;
      const group = groups.get(after);
      if (group) group.set(entry.key, entry);
      else groups.set(after, new Map([[entry.key, entry]]));
    }
  }

  private notifyDifferences(old: Tree, revision: number): void {
    if (this.listeners.size === 0) return;
    const changes: Change[] = [];
    old.forEachPair((key, previous) => {
      if (!this.items.has(key)) changes.push(new Change(revision, key, { previous }));
    });
    this.items.forEachPair((key, current) => {
      const previous = old.get(key);
      if (previous?.revision !== current.revision) changes.push(new Change(current.revision, key, { current, ...(previous ? { previous } : {}) }));
    });
    for (const [listener, reset] of this.listeners) {
      if (reset) reset(revision);
      else for (const change of changes) listener(change);
    }
  }
}

/** Visits the scope of a selection in key order after `after` until `visit` returns false. */
function scan(items: Tree, selection: Selection, visit: (key: string, entry: Entry) => boolean, after?: string): void {
  const low = selection.namespace ? `${selection.namespace}/` : '';
  const high = selection.namespace ? `${selection.namespace}0` : '\uffff';
  const from = after !== undefined && after >= low ? after : low;
  items.forRange(from, high, false, (key, entry) => {
    if (key === after) return undefined;
    return visit(key, entry) ? undefined : { break: true };
  });
}

function snapshotOf(items: Tree, revision: number): Snapshot {
  return { revision, page: (selection, options) => pageOf(items, selection, options) };
}

function pageOf(items: Tree, selection: Selection, { after, limit }: { after?: string; limit?: number }): ReturnType<Snapshot['page']> {
  const entries: Entry[] = [];
  let more = false;
  let remaining = 0;
  const visit = (key: string, entry: Entry): boolean => {
    if (selection.key !== undefined && key !== selection.key) return true;
    if (limit && entries.length >= limit) {
      more ||= !selection.matches || selection.matches(entry);
      remaining += 1;
      return !more || !selection.matches;
    }
    if (!selection.matches || selection.matches(entry)) entries.push(entry);
    return true;
  };
  scan(items, selection, visit, after);
  return { entries, remaining, more };
}
