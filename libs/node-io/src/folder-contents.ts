import { chmod, cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Folders by id below one, made empty or as a copy of another; a folder is there as a whole or not at all. */
export function folderContents(root: string): { path(id: string): string; create(id: string, from: string): Promise<void>; remove(id: string): Promise<void> } {
  const path = (id: string): string => join(root, id);
  return {
    path,
    async create(id, from) {
      const draft = `${path(id)}.new`;
      await rm(draft, { recursive: true, force: true });
      await mkdir(root, { recursive: true, mode: 0o700 });
      if (from) await cp(path(from), draft, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      else {
        await mkdir(draft);
        // Owners of an emulated node are not those of this machine: whoever gets the disk may write.
        await chmod(draft, 0o777);
      }
      await rm(path(id), { recursive: true, force: true });
      await rename(draft, path(id));
    },
    remove: (id) => rm(path(id), { recursive: true, force: true }),
  };
}
