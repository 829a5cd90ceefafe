import type { Clock } from '@orrery/runtime';

interface Expected {
  creations: number;
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

/**
 * What a controller has asked for but not yet seen in its caches. While a key has open expectations its controller
 * must not create or delete: it would do so twice. Deletions are told apart by UID, since one may be observed twice.
 * Expectations older than five minutes count as met, so a lost event cannot stall a controller for ever.
 */
export interface Expectations {
  expectCreations(key: string, count: number): void;
  expectDeletions(key: string, uids: readonly string[]): void;
  /** A creation was seen, or failed. */
  creationObserved(key: string, count?: number): void;
  /** A deletion was seen, or failed. */
  deletionObserved(key: string, uid: string): void;
  satisfied(key: string): boolean;
  /** Was the object asked to be deleted, and is not yet seen to be? */
  expectsDeletion(key: string, uid: string): boolean;
  forget(key: string): void;
}

const lifetimeMs = 5 * 60_000;

export function createExpectations(clock: Clock): Expectations {
  const open = new Map<string, Expected>();
  const at = (key: string): Expected => {
    const found = open.get(key);
    if (found) return found;
    const made: Expected = { creations: 0, deletions: new Set(), sinceMs: clock.monotonic() };
    open.set(key, made);
    return made;
  };
  const tidy = (key: string, expected: Expected): void => {
    if (expected.creations <= 0 && expected.deletions.size === 0) open.delete(key);
  };
  return {
    expectCreations(key, count) {
      if (count > 0) at(key).creations += count;
    },
    expectDeletions(key, uids) {
      if (!uids.length) return;
      const { deletions } = at(key);
      for (const uid of uids) deletions.add(uid);
    },
    creationObserved(key, count = 1) {
      const expected = open.get(key);
      if (!expected) return;
      expected.creations = Math.max(0, expected.creations - count);
      tidy(key, expected);
    },
    deletionObserved(key, uid) {
      const expected = open.get(key);
      if (!expected) return;
      expected.deletions.delete(uid);
      tidy(key, expected);
    },
    satisfied(key) {
      const expected = open.get(key);
      if (!expected) return true;
      if (clock.monotonic() - expected.sinceMs < lifetimeMs) return false;
      open.delete(key);
      return true;
    },
    expectsDeletion: (key, uid) => open.get(key)?.deletions.has(uid) ?? false,
    forget: (key) => void open.delete(key),
  };
}
