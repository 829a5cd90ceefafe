import type { Key, KeyRange } from './keys.ts';

interface Group<W> {
  readonly range: KeyRange;
  readonly watchers: Set<W>;
  /** Greatest end among this group and all before it: tells a walk to the left when to stop. */
  maxEnd: Key;
}

/** Finds the watchers of a key: a map for single keys, ranges sorted by start. Watchers of the same range share a group. */
export class WatcherIndex<W> {
  private readonly singles = new Map<Key, Set<W>>();
  private readonly groups: Group<W>[] = [];
  size = 0;

  add(range: KeyRange, watcher: W): void {
    this.size += 1;
    if (range.single) {
      const set = this.singles.get(range.start);
      if (set) set.add(watcher);
      else this.singles.set(range.start, new Set([watcher]));
      return;
    }
    const i = this.position(range);
    const group = this.groups[i];
    if (group && same(group.range, range)) {
      group.watchers.add(watcher);
      return;
    }
    this.groups.splice(i, 0, { range, watchers: new Set([watcher]), maxEnd: '' });
    this.remeasure(i);
  }

  remove(range: KeyRange, watcher: W): void {
    if (range.single) {
      const set = this.singles.get(range.start);
      if (!set?.delete(watcher)) return;
      if (set.size === 0) this.singles.delete(range.start);
    } else {
      const i = this.position(range);
      const group = this.groups[i];
      if (!group || !same(group.range, range) || !group.watchers.delete(watcher)) return;
      if (group.watchers.size === 0) {
        this.groups.splice(i, 1);
        this.remeasure(i);
      }
    }
    this.size -= 1;
  }

  /** `visit` must not add watchers; it may remove the one it is given. */
  forEachMatch(key: Key, visit: (watcher: W) => void): void {
    const exact = this.singles.get(key);
    if (exact) for (const watcher of exact) visit(watcher);
    const found: Group<W>[] = [];
    for (let i = this.after(key) - 1; i >= 0; i--) {
      const group = this.groups[i] as Group<W>;
      if (group.maxEnd <= key) break;
      if (key < group.range.end) found.push(group);
    }
    for (const group of found) for (const watcher of group.watchers) visit(watcher);
  }

  /** Number of groups that start at or before `key`. */
  private after(key: Key): number {
    let low = 0;
    let high = this.groups.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if ((this.groups[mid] as Group<W>).range.start <= key) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Where the group of `range` is or belongs; sorted by start, then end. */
  private position(range: KeyRange): number {
    let low = 0;
    let high = this.groups.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      const other = (this.groups[mid] as Group<W>).range;
      if (other.start < range.start || (other.start === range.start && other.end < range.end)) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  private remeasure(from: number): void {
    for (let i = from; i < this.groups.length; i++) {
      const group = this.groups[i] as Group<W>;
      const before = i > 0 ? (this.groups[i - 1] as Group<W>).maxEnd : '';
      group.maxEnd = before > group.range.end ? before : group.range.end;
    }
  }
}

function same(a: KeyRange, b: KeyRange): boolean {
  return a.start === b.start && a.end === b.end;
}
