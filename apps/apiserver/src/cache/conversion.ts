import type { KindDescriptor } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import type { Entry } from './entry.ts';

/** Bounds of one call of a conversion webhook: what it answers must not grow beyond what is read of it. */
const maxBytes = 1024 * 1024;
const maxObjects = 500;

/** Conversions on their way, so that many readers of one object ask for it once. */
const underWay = new WeakMap<KindDescriptor, WeakMap<Entry, Promise<void>>>();

/** Is there a webhook between what is stored and what is shown? */
export function isConverted(kind: KindDescriptor): boolean {
  return kind.storedAs?.conversion !== undefined;
}

function batches(entries: readonly Entry[]): Entry[][] {
  const found: Entry[][] = [];
  let batch: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (batch.length && (batch.length === maxObjects || bytes + entry.size > maxBytes)) {
      found.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += entry.size;
  }
  return batch.length ? [...found, batch] : found;
}

async function convertBatch(kind: KindDescriptor, batch: readonly Entry[]): Promise<void> {
  const objects = (await kind.storedAs?.conversion?.fromStorage(batch.map((entry) => entry.object as unknown))) ?? [];
  for (const [i, entry] of batch.entries()) entry.showAs(kind, objects[i] as KubeObject);
}

/**
 * Makes entries ready to be shown as `kind`, in as few calls of its webhook as their sizes allow; none for what has been
 * converted before. Rejects with the webhook's failure.
 */
export async function convertEntries(kind: KindDescriptor, entries: readonly Entry[]): Promise<void> {
  if (!isConverted(kind)) return;
  const pending = underWay.get(kind) ?? new WeakMap<Entry, Promise<void>>();
  underWay.set(kind, pending);
  const waits = new Set<Promise<void>>();
  const fresh: Entry[] = [];
  for (const entry of entries) {
    if (entry.isShown(kind)) continue;
    const known = pending.get(entry);
    if (known) waits.add(known);
    else fresh.push(entry);
  }
  let previous = Promise.resolve();
  for (const batch of batches(fresh)) {
    previous = previous.then(() => convertBatch(kind, batch)).finally(() => batch.forEach((entry) => pending.delete(entry)));
    for (const entry of batch) pending.set(entry, previous);
    waits.add(previous);
  }
  await Promise.all(waits);
}

/** One entry as `kind` shows it, at once where nobody has to be asked. */
export function viewed(kind: KindDescriptor, entry: Entry): Entry | Promise<Entry> {
  return entry.isShown(kind) ? entry.view(kind) : convertEntries(kind, [entry]).then(() => entry.view(kind));
}
