import { readFileSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type ProcessFaults, parseToldFaults } from '@orrery/chaos';
import type { Logger } from '@orrery/runtime';

/** Where a process repeats the revision of the faults that it was told, once it does so. */
export function appliedFile(path: string): string {
  return `${path}.applied`;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Does what a file says is wrong with this process, from now on whenever it is replaced. Its directory must be there. */
export function followFaultsFile(path: string, { faults, log }: { readonly faults: ProcessFaults; readonly log: Logger }): { close(): void } {
  const read = (): void => {
    try {
      const text = textOf(path);
      const told = text === undefined ? { revision: '', faults: [] } : parseToldFaults(text);
      faults.apply(told);
      if (told.revision) writeFileSync(appliedFile(path), told.revision, { mode: 0o600 });
    } catch (error) {
      log.warn('faults that were told could not be done', { path, error });
    }
  };
  // Begins before the first look, so that nothing is missed between them.
  const watcher = watch(dirname(path), { persistent: false }, (_, name) => name === basename(path) && read());
  watcher.on('error', (error) => log.warn('faults are not followed any more', { path, error }));
  read();
  return { close: () => watcher.close() };
}
