import { FsError } from './fs-error.ts';
import type { DiskNode } from './node-tree.ts';
import type { FileRef, Tree } from './tree.ts';

/** A part of an open file, at most `max` bytes; none at its end. */
export function readAt(ref: FileRef, at: number, max: number): Uint8Array {
  return ref.readAt ? ref.readAt(at, max) : ref.read().subarray(at, at + max);
}

/** Puts bytes into an open file, which grows as needed. */
export function writeAt(ref: FileRef, at: number, bytes: Uint8Array): void {
  if (ref.writeAt) {
    ref.writeAt(at, bytes);
    return;
  }
  const old = ref.read();
  if (at === old.length) {
    ref.append(bytes);
    return;
  }
  const next = new Uint8Array(Math.max(old.length, at + bytes.length));
  next.set(old);
  next.set(bytes, at);
  ref.write(next);
}

/** The group `disk`, whose disks are on most systems. */
const diskGroup = 6;

/** A file of the node as a block device: as long as the disk is, zeros where nothing was written, no room behind its end. */
export function diskNode(tree: Tree, options: { readonly readOnly: boolean; readonly nowMs: number }): DiskNode {
  const size = (): number => tree.diskBytes ?? tree.stat([])?.size ?? 0;
  const open = (write: boolean): FileRef => {
    if (write && options.readOnly) throw new FsError('EPERM');
    const file = tree.open([], { write });
    const put = (at: number, bytes: Uint8Array): void => {
      const room = Math.max(0, size() - at);
      if (room > 0) writeAt(file, at, bytes.subarray(0, room));
      if (bytes.length > room) throw new FsError('ENOSPC');
    };
    return {
      size,
      readAt(at, max) {
        const length = Math.max(0, Math.min(max, size() - at));
        const written = readAt(file, at, length);
        if (written.length === length) return written;
        const bytes = new Uint8Array(length);
        bytes.set(written);
        return bytes;
      },
      writeAt: put,
      read: () => file.read(),
      write: (bytes) => put(0, bytes),
      append: () => {
        throw new FsError('ENOSPC');
      },
      close: () => file.close?.(),
    };
  };
  return { kind: 'disk', mode: 0o660, mtimeMs: options.nowMs, gid: diskGroup, open };
}
