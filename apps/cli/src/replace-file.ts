import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { UserError } from './user-error.ts';

/** Puts a text in the place of a file, as a whole or not at all, whenever this process or the machine ends. Only this user can read it. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  try {
    // On disk before its name is: else a power cut leaves the name without the content.
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The value in a JSON file of a cluster's data directory. Throws UserError for one that is damaged, with `advice`, which says what can be done about it. */
export function readJson(path: string, advice: string): unknown {
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path} is damaged: ${advice}`);
  }
}
