import type { Change } from './frame.ts';

/**
 * After so many further changes of a resource everyone who follows it has long heard of one: what only who resumes may ask for
 * is kept as bytes, which burden no garbage collection. (Objects of all states were most of the heap, and each was marked again
 * and again.)
 */
const settledAfter = 256;

/** The latest changes of one resource, oldest first, for watches that resume. */
export class ChangeRing {
  private readonly slots: Change[] = [];
  private readonly capacity: number;
  private next = 0;
  private complete: number;

  /** Everything after `since` will be recorded. */
  constructor(capacity: number, since: number) {
    this.capacity = capacity;
    this.complete = since;
  }

  /** Changes after this revision are all here; a watch from an older one cannot be resumed. */
  get oldest(): number {
    return this.complete;
  }

  /** `isFollowed`: somebody is told of the changes, and so likely to ask for the present objects. */
  push(change: Change, isFollowed = true): void {
    this.put(change);
    if (this.slots.length > settledAfter) this.slots.at((this.next - 1 - settledAfter) % this.slots.length)?.settle(isFollowed);
  }

  private put(change: Change): void {
    if (this.slots.length < this.capacity) {
      this.slots.push(change);
      return;
    }
    const slot = this.next;
    this.complete = (this.slots[slot] as Change).revision;
    this.slots[slot] = change;
    this.next = (slot + 1) % this.capacity;
  }

  /** Changes with a greater revision, in order. */
  *after(revision: number): Iterable<Change> {
    const { length } = this.slots;
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.slots[(this.next + middle) % length] as Change).revision > revision) high = middle;
      else low = middle + 1;
    }
    for (let i = low; i < length; i++) yield this.slots[(this.next + i) % length] as Change;
  }
}
