import { type FSWatcher, existsSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Saving takes several steps, as to write and to rename. */
const settleMs = 30;

function stampOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.mtimeMs} ${found.size}`;
}

/** Files, and whoever wants to know when one is another: by their directories, since editors put a new file in the place of the old. */
export class WatchedFiles {
  private readonly stamps = new Map<string, string | undefined>();
  private readonly watchers = new Map<string, FSWatcher>();
  private settling: NodeJS.Timeout | undefined;
  private readonly changed: (file: string) => void;

  constructor(changed: (file: string) => void) {
    this.changed = changed;
  }

  /** Those that are watched already stay so. */
  add(files: readonly string[]): void {
    for (const file of files) if (!this.stamps.has(file)) this.stamps.set(file, stampOf(file));
    for (const dir of new Set(files.map(dirname))) if (!this.watchers.has(dir) && existsSync(dir)) this.watchers.set(dir, watch(dir, (_, name) => this.look(dir, name)));
  }

  private look(dir: string, name: string | null): void {
    for (const file of name === null ? [...this.stamps.keys()].filter((one) => dirname(one) === dir) : [join(dir, basename(name))]) {
      if (!this.stamps.has(file)) continue;
      const stamp = stampOf(file);
      // One that is gone is on its way to be another.
      if (stamp === undefined || stamp === this.stamps.get(file)) continue;
      this.stamps.set(file, stamp);
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.changed(file), settleMs);
    }
  }
}
