import { type FSWatcher, existsSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { stampOf } from './memory.ts';

/** Saving takes several steps, as to write and to rename. */
const settleMs = 30;

/** Files, and whoever wants to know when one is another: by their directories, since editors put a new file in the place of the old. */
export class WatchedFiles {
  private readonly stamps = new Map<string, string | undefined>();
  private readonly watchers = new Map<string, FSWatcher>();
  private settling: NodeJS.Timeout | undefined;
  private readonly changed: (file: string) => void;

  constructor(changed: (file: string) => void) {
    this.changed = changed;
  }

  /** By path, with the stamp of what is known of each: one that is another by now has changed. Those that are watched already stay so. */
  add(files: Readonly<Record<string, string>>): void {
    const added = Object.keys(files).filter((file) => !this.stamps.has(file));
    for (const file of added) this.stamps.set(file, files[file]);
    for (const dir of new Set(added.map(dirname))) if (!this.watchers.has(dir) && existsSync(dir)) this.watchers.set(dir, watch(dir, (_, name) => this.look(dir, name)));
    for (const file of added) this.compare(file);
  }

  private look(dir: string, name: string | null): void {
    for (const file of name === null ? [...this.stamps.keys()].filter((one) => dirname(one) === dir) : [join(dir, basename(name))]) {
      if (this.stamps.has(file)) this.compare(file);
    }
  }

  private compare(file: string): void {
    const stamp = stampOf(file);
    // One that is gone is on its way to be another.
    if (stamp === '' || stamp === this.stamps.get(file)) return;
    this.stamps.set(file, stamp);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.changed(file), settleMs);
  }

  close(): void {
    for (const watcher of this.watchers.values()) watcher.close();
    clearTimeout(this.settling);
  }
}
