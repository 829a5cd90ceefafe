import type { ClusterEvent } from '../framework/types.ts';

/** The events that came while pods were being tried: one list for all of them. */
export interface EventLog {
  /** Nothing is kept while nobody is tried. */
  add(event: ClusterEvent): void;
  begin(key: string): void;
  /** The events since `begin`. */
  end(key: string): readonly ClusterEvent[];
  /** Ends it too, when nobody asks for the events. */
  drop(key: string): void;
  /** What is kept. */
  kept(): Iterable<ClusterEvent>;
}

const none: readonly ClusterEvent[] = [];
const trimAt = 4_096;

export function createEventLog(): EventLog {
  /** In the order they began. */
  const begun = new Map<string, number>();
  let log: ClusterEvent[] = [];
  let first = 0;
  const trim = (): void => {
    if (begun.size === 0) {
      first += log.length;
      log.length = 0;
      return;
    }
    if (log.length < trimAt) return;
    const [oldest = first] = begun.values();
    if (oldest === first) return;
    log = log.slice(oldest - first);
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
      trim();
      return events;
    },
    drop(key) {
      if (begun.delete(key)) trim();
    },
    kept: () => log,
  };
}
