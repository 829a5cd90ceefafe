import type { Unreadable } from '../storage/errors.ts';
import type { StoredValue } from '../storage/etcd-store.ts';
import { type Entry, entryFromStored } from './entry.ts';

function parseFailure({ value }: StoredValue): string | undefined {
  try {
    JSON.parse(value.toString('utf8'));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Entries of one resource, and what could not be read. `isSuspect`: values are looked at one by one, beyond their form. */
export function readableEntries(values: readonly StoredValue[], { prefix, isSuspect }: { prefix: string; isSuspect: boolean }): { entries: Entry[]; unreadable: Unreadable[] } {
  const entries: Entry[] = [];
  const unreadable: Unreadable[] = [];
  for (const value of values) {
    const why = isSuspect ? parseFailure(value) : undefined;
    if (value.unreadable) unreadable.push(value.unreadable);
    else if (why !== undefined) unreadable.push({ key: value.key, why, isSealed: false });
    else entries.push(entryFromStored(value.key.slice(prefix.length), value));
  }
  return { entries, unreadable };
}
