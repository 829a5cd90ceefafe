import { appendFile, open, readFile, rename } from 'node:fs/promises';

/** A state in one file that grows by whole lines (mode 0600); what was appended or put in its place is synced to disk. */
export function appendState(path: string): { load(): Promise<string | undefined>; append(text: string): Promise<void>; replace(text: string): Promise<void> } {
  return {
    async load() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    append: (text) => appendFile(path, text, { mode: 0o600, flush: true }),
    async replace(text) {
      const file = await open(`${path}.new`, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
    },
  };
}
