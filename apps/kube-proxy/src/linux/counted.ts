/** What several services may ask for, each text once: it comes with the first that asks and goes with the last. */
export interface Counted {
  /** What one service asked for before, and what it asks for now. */
  change(before: Iterable<string>, after: Iterable<string>): void;
  /** What has come and what has gone since the last call. */
  take(): { readonly added: readonly string[]; readonly removed: readonly string[] };
  keys(): Iterable<string>;
}

export function createCounted(): Counted {
  const counts = new Map<string, number>();
  /** Counts of what changed, as they were at the last `take`. */
  const changed = new Map<string, boolean>();
  const add = (text: string, by: 1 | -1): void => {
    const count = counts.get(text) ?? 0;
    if (!changed.has(text)) changed.set(text, count > 0);
    if (count + by > 0) counts.set(text, count + by);
    else counts.delete(text);
  };
  return {
    change(before, after) {
      for (const text of after) add(text, 1);
      for (const text of before) add(text, -1);
    },
    take() {
      const added: string[] = [];
      const removed: string[] = [];
      for (const [text, was] of changed) {
        const is = counts.has(text);
        if (is && !was) added.push(text);
        if (!is && was) removed.push(text);
      }
      changed.clear();
      return { added, removed };
    },
    keys: () => counts.keys(),
  };
}
