import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** A small state in one file, replaced as a whole (mode 0600). `load` gives undefined before the first save. */
export function fileState(path: string): { load(): string | undefined; save(text: string): void } {
  return {
    load() {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    save(text) {
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
  };
}
