import type { KubeObject } from '@orrery/apimachinery';
import type { Parts } from './encoding.ts';
import { type Entry, entryFromObject } from './entry.ts';

interface OwnWrite {
  readonly key: string;
  readonly item: string;
  readonly object: KubeObject;
  readonly value: Buffer;
  readonly parts?: Parts;
  entry: Entry | undefined;
}

/**
 * Writes of this server that its own watch has not shown yet. The event of such a write becomes the very entry that the
 * writer answers with, so what we wrote ourselves is never parsed, and replies equal events.
 */
export class OwnWrites {
  private readonly open = new Map<string, OwnWrite[]>();

  /** Registers a write before it is sent. `done` gives the entry at its revision, or forgets the write. */
  begin(key: string, item: string, content: { object: KubeObject; value: Buffer; parts?: Parts }): { committed(revision: number): Entry; failed(): void } {
    const write: OwnWrite = { key, item, ...content, entry: undefined };
    const list = this.open.get(key);
    if (list) list.push(write);
    else this.open.set(key, [write]);
    return {
      committed: (revision) => {
        const known = write.entry !== undefined;
        const entry = this.settle(write, revision);
        if (known) this.forget(write);
        return entry;
      },
      failed: () => this.forget(write),
    };
  }

  /** The entry of a write of ours, if the event is one. */
  entryFor(key: string, value: Buffer, revision: number): Entry | undefined {
    const list = this.open.get(key);
    if (!list) return undefined;
    const write = list.find((w) => (w.entry ? w.entry.revision === revision : w.value === value || w.value.equals(value)));
    // What was settled earlier and not collected by its writer will never be asked for again.
    for (const other of list) if (other.entry && other.entry.revision < revision) this.forget(other);
    if (!write) return undefined;
    const known = write.entry !== undefined;
    const entry = this.settle(write, revision);
    entry.storedAs(value);
    if (known) this.forget(write);
    return entry;
  }

  /** Forgets what the watch will not show any more (it listed instead). */
  clear(): void {
    this.open.clear();
  }

  private settle(write: OwnWrite, revision: number): Entry {
    if (write.entry?.revision !== revision) write.entry = entryFromObject(write.item, revision, write);
    return write.entry;
  }

  private forget(write: OwnWrite): void {
    const list = this.open.get(write.key);
    if (!list) return;
    const rest = list.filter((w) => w !== write);
    if (rest.length) this.open.set(write.key, rest);
    else this.open.delete(write.key);
  }
}
