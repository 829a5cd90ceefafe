import type { KindDescriptor } from '@orrery/api';
import type { Change, Frame } from './frame.ts';
import type { Selection } from './selection.ts';

/** The receiving end of a watch on a cache. */
export interface WatchConsumer {
  /** Frames in order of revision, all of one batch from the store; the array may be shared: do not change or keep it. */
  frames(batch: readonly Frame[]): void;
  /** The cache lost its place (it had to list again): the watch is over. */
  reset(): void;
}

export interface Watcher {
  readonly selection: Selection;
  readonly consumer: WatchConsumer;
  /** Changes up to this revision are not delivered: the client has them. */
  readonly after: number;
  /** Frames of the batch in progress. */
  pending: Frame[];
}

type Groups = Map<string, Set<Watcher>>;

function add(groups: Groups, key: string, watcher: Watcher): void {
  const group = groups.get(key);
  if (group) group.add(watcher);
  else groups.set(key, new Set([watcher]));
}

function remove(groups: Groups, key: string, watcher: Watcher): void {
  const group = groups.get(key);
  if (group?.delete(watcher) && group.size === 0) groups.delete(key);
}

/**
 * Finds who must hear of a change without asking everybody: watchers are filed by the narrowest of key, indexed field,
 * namespace, so that a thousand nodes that watch their own pods cost one look-up a change.
 */
export class Watchers {
  private readonly kind: KindDescriptor;
  private readonly whole = new Set<Watcher>();
  private readonly byKey: Groups = new Map();
  private readonly byNamespace: Groups = new Map();
  private readonly byField = new Map<string, Groups>();
  private count = 0;

  constructor(kind: KindDescriptor) {
    this.kind = kind;
  }

  get size(): number {
    return this.count;
  }

  add(watcher: Watcher): () => void {
    this.count += 1;
    const { key, indexed, namespace } = watcher.selection;
    const groups = key !== undefined ? this.byKey : indexed ? this.fieldGroups(indexed.field) : namespace ? this.byNamespace : undefined;
    const name = key ?? indexed?.value ?? namespace;
    if (groups) add(groups, name, watcher);
    else this.whole.add(watcher);
    let active = true;
    return () => {
      if (!active) return;
      active = false;
      this.count -= 1;
      if (groups) remove(groups, name, watcher);
      else this.whole.delete(watcher);
    };
  }

  /** Delivers the changes, in order, each watcher once. */
  dispatch(changes: readonly Change[]): void {
    if (this.count === 0) return;
    const dirty = new Set<Watcher>();
    this.dispatchWhole(changes, dirty);
    if (this.byKey.size || this.byNamespace.size || this.byField.size) for (const change of changes) this.offer(change, dirty);
    for (const watcher of dirty) {
      const batch = watcher.pending;
      watcher.pending = [];
      watcher.consumer.frames(batch);
    }
  }

  resetAll(): void {
    const groups = [this.whole, ...this.byKey.values(), ...this.byNamespace.values(), ...[...this.byField.values()].flatMap((g) => [...g.values()])];
    for (const watcher of groups.flatMap((group) => [...group])) watcher.consumer.reset();
  }

  /** Watchers that see everything get one shared batch. */
  private dispatchWhole(changes: readonly Change[], dirty: Set<Watcher>): void {
    let shared: Frame[] | undefined;
    const first = changes[0]?.revision ?? 0;
    for (const watcher of [...this.whole]) {
      if (!watcher.selection.matches && watcher.after < first) {
        shared ??= changes.map((change) => change.plain);
        watcher.consumer.frames(shared);
      } else {
        for (const change of changes) offerTo(watcher, change, dirty);
      }
    }
  }

  private offer(change: Change, dirty: Set<Watcher>): void {
    offerGroup(this.byKey.get(change.key), change, dirty);
    if (this.byNamespace.size) {
      const slash = change.key.indexOf('/');
      if (slash > 0) offerGroup(this.byNamespace.get(change.key.slice(0, slash)), change, dirty);
    }
    for (const [field, groups] of this.byField) {
      const before = change.previous?.fields(this.kind)[field];
      const after = change.current?.fields(this.kind)[field];
      if (after !== undefined) offerGroup(groups.get(after), change, dirty);
      if (before !== undefined && before !== after) offerGroup(groups.get(before), change, dirty);
    }
  }

  private fieldGroups(field: string): Groups {
    let groups = this.byField.get(field);
    if (!groups) this.byField.set(field, (groups = new Map()));
    return groups;
  }
}

function offerGroup(group: Set<Watcher> | undefined, change: Change, dirty: Set<Watcher>): void {
  if (group) for (const watcher of group) offerTo(watcher, change, dirty);
}

function offerTo(watcher: Watcher, change: Change, dirty: Set<Watcher>): void {
  if (change.revision <= watcher.after) return;
  const frame = frameFor(watcher.selection, change);
  if (!frame) return;
  watcher.pending.push(frame);
  dirty.add(watcher);
}

/** What a watcher with this selection sees of a change; undefined for nothing. Scope by key and namespace is the caller's. */
export function frameFor(selection: Selection, change: Change): Frame | undefined {
  const { matches, namespace, key } = selection;
  if (key !== undefined ? change.key !== key : namespace !== '' && !change.key.startsWith(`${namespace}/`)) return undefined;
  if (!matches) return change.plain;
  const before = change.previous !== undefined && matches(change.previous);
  const after = change.current !== undefined && matches(change.current);
  return change.selected(before, after);
}
