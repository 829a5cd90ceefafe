import { chownSync, renameSync, rmSync, writeFileSync } from 'node:fs';

export interface ReplacedFile {
  /** Default 0600: for this user alone. */
  readonly mode?: number;
  /** Whose it is; default this process's user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Puts a text, or bytes, in the place of a file, as a whole or not at all, whenever this process or the machine ends. Throws Node's error and leaves what was there. */
export function replaceFile(path: string, content: string | Uint8Array, { mode = 0o600, owner }: ReplacedFile = {}): void {
  const temporary = `${path}.${process.pid}`;
  try {
    // On disk before its name is: else a power cut leaves the name without the content.
    writeFileSync(temporary, content, { mode, flush: true });
    if (owner) chownSync(temporary, owner.uid, owner.gid);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
