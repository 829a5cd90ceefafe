/** A binary heap with removal by key. `before` must be a strict order. */
export interface KeyedHeap<T> {
  /** Adds, or replaces the item with the same key. */
  push(item: T): void;
  pop(): T | undefined;
  peek(): T | undefined;
  get(key: string): T | undefined;
  remove(key: string): T | undefined;
  readonly size: number;
  values(): IterableIterator<T>;
}

export function createHeap<T>(key: (item: T) => string, before: (a: T, b: T) => boolean): KeyedHeap<T> {
  const items: T[] = [];
  const index = new Map<string, number>();
  const put = (at: number, item: T): void => {
    items[at] = item;
    index.set(key(item), at);
  };
  const up = (at: number): void => {
    const item = items[at] as T;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, items[parent] as T)) break;
      put(at, items[parent] as T);
      at = parent;
    }
    put(at, item);
  };
  const down = (at: number): void => {
    const item = items[at] as T;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1] as T, items[child] as T)) child++;
      if (!before(items[child] as T, item)) break;
      put(at, items[child] as T);
      at = child;
    }
    put(at, item);
  };
  const removeAt = (at: number): T => {
    const removed = items[at] as T;
    index.delete(key(removed));
    const last = items.pop() as T;
    if (at < items.length) {
      put(at, last);
      down(at);
      up(index.get(key(last)) as number);
    }
    return removed;
  };
  return {
    push(item) {
      const at = index.get(key(item));
      if (at !== undefined) removeAt(at);
      items.push(item);
      up(items.length - 1);
    },
    pop: () => (items.length ? removeAt(0) : undefined),
    peek: () => items[0],
    get: (k) => {
      const at = index.get(k);
      return at === undefined ? undefined : items[at];
    },
    remove: (k) => {
      const at = index.get(k);
      return at === undefined ? undefined : removeAt(at);
    },
    get size() {
      return items.length;
    },
    values: () => items.values(),
  };
}
