import { FsError, type FsErrorCode } from './fs-error.ts';
import type { FileRef, Tree } from './tree.ts';

const known: Readonly<Record<string, FsErrorCode>> = {
  ENOENT: 'ENOENT', EEXIST: 'EEXIST', ENOTDIR: 'ENOTDIR', EISDIR: 'EISDIR', ENOTEMPTY: 'ENOTEMPTY', EROFS: 'EROFS', EACCES: 'EACCES',
  ELOOP: 'ELOOP', EINVAL: 'EINVAL', EBUSY: 'EBUSY', EPERM: 'EPERM', EBADF: 'EBADF', ENXIO: 'ENXIO', ENOSPC: 'ENOSPC', EDQUOT: 'ENOSPC',
};

function translated<R>(work: () => R): R {
  try {
    return work();
  } catch (error) {
    const code = known[(error as { code?: string }).code ?? ''];
    throw code ? new FsError(code) : error;
  }
}

function translatedFile(file: FileRef): FileRef {
  return {
    read: () => translated(() => file.read()),
    write: (bytes) => translated(() => file.write(bytes)),
    append: (bytes) => translated(() => file.append(bytes)),
    size: () => translated(() => file.size()),
    ...(file.readAt ? { readAt: (at: number, max: number) => translated(() => file.readAt?.(at, max) ?? new Uint8Array(0)) } : {}),
    ...(file.writeAt ? { writeAt: (at: number, bytes: Uint8Array) => translated(() => file.writeAt?.(at, bytes)) } : {}),
    close: () => file.close?.(),
  };
}

/** A tree whose failures are those of the operating system (they carry its `code`), with the errors that programs here know. */
export function hostTree(tree: Tree): Tree {
  return {
    source: tree.source,
    type: tree.type,
    get sizeBytes() {
      return tree.sizeBytes;
    },
    get diskBytes() {
      return tree.diskBytes;
    },
    stat: (parts) => translated(() => tree.stat(parts)),
    list: (parts) => translated(() => tree.list(parts)),
    readlink: (parts) => translated(() => tree.readlink(parts)),
    open: (parts, options) => translatedFile(translated(() => tree.open(parts, options))),
    mkdir: (parts, owner) => translated(() => tree.mkdir(parts, owner)),
    symlink: (parts, target) => translated(() => tree.symlink(parts, target)),
    link: (from, to) => translated(() => tree.link(from, to)),
    remove: (parts) => translated(() => tree.remove(parts)),
    rename: (from, to) => translated(() => tree.rename(from, to)),
    setAttributes: (parts, attributes) => translated(() => tree.setAttributes(parts, attributes)),
    device: (parts) => translated(() => tree.device(parts)),
  };
}
