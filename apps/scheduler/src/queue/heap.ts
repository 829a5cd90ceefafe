/** A binary heap with removal by key. `before` must be a strict order. */
export interface KeyedHeap<T> {
  /** Adds, or replaces the item with the same key. */
  push(item: T): void;
  pop(): T | undefined;
  peek(): T | undefined;
  get(key: string): T | undefined;
  remove(key: string): T | undefined;
  readonly size: number;
}

interface Entry<T> {
  item: T;
  at: number;
}

export function createHeap<T>(key: (item: T) => string, before: (a: T, b: T) => boolean): KeyedHeap<T> {
  const heap: Entry<T>[] = [];
  const entries = new Map<string, Entry<T>>();
  const put = (at: number, entry: Entry<T>): void => {
    heap[at] = entry;
    entry.at = at;
  };
  const up = (entry: Entry<T>): void => {
    let { at } = entry;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1] as Entry<T>;
      if (!before(entry.item, parent.item)) break;
      put(at, parent);
      at = (at - 1) >> 1;
    }
    put(at, entry);
  };
  const down = (entry: Entry<T>): void => {
    let { at } = entry;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before((heap[child + 1] as Entry<T>).item, (heap[child] as Entry<T>).item)) child++;
      if (!before((heap[child] as Entry<T>).item, entry.item)) break;
      put(at, heap[child] as Entry<T>);
      at = child;
    }
    put(at, entry);
  };
  const remove = (entry: Entry<T>): T => {
    entries.delete(key(entry.item));
    const last = heap.pop() as Entry<T>;
    if (last !== entry) {
      put(entry.at, last);
      down(last);
      up(last);
    }
    return entry.item;
  };
  return {
    push(item) {
      const known = entries.get(key(item));
      if (known) remove(known);
      const entry = { item, at: heap.length };
      entries.set(key(item), entry);
      heap.push(entry);
      up(entry);
    },
    pop: () => (heap.length ? remove(heap[0] as Entry<T>) : undefined),
    peek: () => heap[0]?.item,
    get: (k) => entries.get(k)?.item,
    remove(k) {
      const known = entries.get(k);
      return known && remove(known);
    },
    get size() {
      return heap.length;
    },
  };
}
