import { FsError } from './fs-error.ts';
import type { FileRef, Parts, Stat, Tree } from './tree.ts';

/** A generated entry: text made when read, a link, or a directory whose entries are made when listed. */
export type Generated =
  | { readonly text: () => string; readonly set?: (text: string) => void }
  | { readonly link: () => string }
  | { readonly entries: () => ReadonlyMap<string, Generated> };

/** /proc and the like: a read-only tree whose content is computed on every look. */
export class GeneratedTree implements Tree {
  readonly source: string;
  readonly type: string;
  private readonly root: Generated;
  private readonly now: () => number;

  constructor(options: { root: Generated; now: () => number; type: string }) {
    this.root = options.root;
    this.now = options.now;
    this.source = this.type = options.type;
  }

  private find(parts: Parts): Generated | undefined {
    let node: Generated | undefined = this.root;
    for (const part of parts) node = node && 'entries' in node ? node.entries().get(part) : undefined;
    return node;
  }

  stat(parts: Parts): Stat | undefined {
    const node = this.find(parts);
    if (!node) return undefined;
    const base = { uid: 0, gid: 0, size: 0, mtimeMs: this.now(), ino: parts.length + 1, nlink: 1 };
    if ('entries' in node) return { ...base, kind: 'directory', mode: 0o555 };
    return 'link' in node ? { ...base, kind: 'symlink', mode: 0o777 } : { ...base, kind: 'file', mode: node.set ? 0o644 : 0o444 };
  }

  list(parts: Parts): string[] {
    const node = this.find(parts);
    if (!node) throw new FsError('ENOENT');
    if (!('entries' in node)) throw new FsError('ENOTDIR');
    return [...node.entries().keys()];
  }

  readlink(parts: Parts): string {
    const node = this.find(parts);
    if (!node || !('link' in node)) throw new FsError('EINVAL');
    return node.link();
  }

  open(parts: Parts, options: { create?: unknown; truncate?: boolean; write?: boolean }): FileRef {
    const node = this.find(parts);
    if (!node) throw new FsError(options.create ? 'EACCES' : 'ENOENT');
    if ('entries' in node) throw new FsError('EISDIR');
    if ('link' in node) throw new FsError('EINVAL');
    const { text, set } = node;
    if (options.write && !set) throw new FsError('EACCES');
    const read = (): Uint8Array => Buffer.from(text());
    const write = (bytes: Uint8Array): void => set?.(Buffer.from(bytes).toString());
    return { read, write, append: write, size: () => read().length };
  }

  mkdir(): never {
    throw new FsError('EPERM');
  }

  symlink(): never {
    throw new FsError('EPERM');
  }

  link(): never {
    throw new FsError('EPERM');
  }

  remove(): never {
    throw new FsError('EPERM');
  }

  rename(): never {
    throw new FsError('EPERM');
  }

  setAttributes(): never {
    throw new FsError('EPERM');
  }

  device(): undefined {
    return undefined;
  }
}
