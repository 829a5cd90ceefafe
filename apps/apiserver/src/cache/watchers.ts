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
}

/** Watchers of the same scope. Those without selectors see the same frames, so one array of them serves all. */
class Group {
  private readonly plain = new Set<Watcher>();
  private readonly selective = new Set<Watcher>();
  /** Changes of the batch in progress that concern the group. */
  private changes: Change[] = [];

  add(watcher: Watcher): void {
    (watcher.selection.matches ? this.selective : this.plain).add(watcher);
  }

  /** True when nobody is left. */
  remove(watcher: Watcher): boolean {
    this.plain.delete(watcher);
    this.selective.delete(watcher);
    return this.plain.size + this.selective.size === 0;
  }

  /** True for the first change of a batch. */
  note(change: Change): boolean {
    return this.changes.push(change) === 1;
  }

  /** Delivers what was noted. */
  flush(): void {
    const { changes } = this;
    this.changes = [];
    this.deliver(changes);
  }

  deliver(changes: readonly Change[]): void {
    const first = changes[0]?.revision ?? 0;
    const shared = this.plain.size ? changes.map((change) => change.plain) : [];
    // A watcher may end itself, or others, while it is told.
    for (const watcher of [...this.plain]) {
      if (watcher.after < first) watcher.consumer.frames(shared);
      else deliverTo(watcher, changes);
    }
    for (const watcher of [...this.selective]) deliverTo(watcher, changes);
  }

  all(): Watcher[] {
    return [...this.plain, ...this.selective];
  }
}

function deliverTo(watcher: Watcher, changes: readonly Change[]): void {
  const { selection, after, consumer } = watcher;
  const frames: Frame[] = [];
  for (const change of changes) {
    const frame = change.revision > after ? frameFor(selection, change) : undefined;
    if (frame) frames.push(frame);
  }
  if (frames.length) consumer.frames(frames);
}

type Groups = Map<string, Group>;

function groupOf(groups: Groups, key: string): Group {
  let group = groups.get(key);
  if (!group) groups.set(key, (group = new Group()));
  return group;
}

/**
 * Finds who must hear of a change without asking everybody: watchers are filed by the narrowest of key, indexed field,
 * namespace, so that a thousand nodes that watch their own pods cost one look-up a change.
 */
export class Watchers {
  private readonly kind: KindDescriptor;
  private readonly whole = new Group();
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
    const group = groups ? groupOf(groups, name) : this.whole;
    group.add(watcher);
    let active = true;
    return () => {
      if (!active) return;
      active = false;
      this.count -= 1;
      if (group.remove(watcher) && groups?.get(name) === group) groups.delete(name);
    };
  }

  /** Delivers the changes, in order, each watcher once. */
  dispatch(changes: readonly Change[]): void {
    if (this.count === 0) return;
    this.whole.deliver(changes);
    if (this.byKey.size === 0 && this.byNamespace.size === 0 && this.byField.size === 0) return;
    const dirty: Group[] = [];
    for (const change of changes) this.offer(change, dirty);
    for (const group of dirty) group.flush();
  }

  resetAll(): void {
    const groups = [this.whole, ...this.byKey.values(), ...this.byNamespace.values(), ...[...this.byField.values()].flatMap((g) => [...g.values()])];
    for (const watcher of groups.flatMap((group) => group.all())) watcher.consumer.reset();
  }

  private offer(change: Change, dirty: Group[]): void {
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

function offerGroup(group: Group | undefined, change: Change, dirty: Group[]): void {
  if (group?.note(change)) dirty.push(group);
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
