import type { ClusterEvent } from '../framework/types.ts';

/** The events that came while pods were being tried: one list for all of them. */
export interface EventLog {
  /** Nothing is kept while nobody is tried. */
  add(event: ClusterEvent): void;
  begin(key: string): void;
  /** The events since `begin`. */
  end(key: string): readonly ClusterEvent[];
}

const none: readonly ClusterEvent[] = [];
const trimAt = 4_096;

export function createEventLog(): EventLog {
  /** In the order they began. */
  const begun = new Map<string, number>();
  let log: ClusterEvent[] = [];
  let first = 0;
  const trim = (): void => {
    const [oldest = first + log.length] = begun.values();
    if (begun.size > 0 && (log.length < trimAt || oldest === first)) return;
    log = begun.size > 0 ? log.slice(oldest - first) : [];
    first = oldest;
  };
  return {
    add(event) {
      if (begun.size > 0) log.push(event);
    },
    begin: (key) => void begun.set(key, first + log.length),
    end(key) {
      const from = begun.get(key);
      if (from === undefined) return none;
      begun.delete(key);
      const events = from === first + log.length ? none : log.slice(from - first);
      if (log.length) trim();
      return events;
    },
  };
}
