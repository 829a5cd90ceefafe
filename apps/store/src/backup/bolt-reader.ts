import { bucketFlag, bucketHeader, elementBytes, pageBytes, pageFlag, pageHeader, readMeta } from './bolt-format.ts';
import type { Item } from './bolt-writer.ts';

/** Deeper trees do not come about: a page that refers to itself would be read for ever. */
const maxDepth = 64;
/** Page sizes are those of the machine that wrote the file; the second of the two first pages is where that says. */
const pageSizes = [4096, 8192, 16384, 32768, 65536];

/** A file that is no database, or a damaged one. */
export class BoltError extends Error {
  constructor(what: string) {
    super(`damaged database: ${what}`);
    this.name = 'BoltError';
  }
}

interface Element extends Item {
  readonly isBucket: boolean;
}

/** The buckets of a bbolt file, as the last transaction left them. Keys and values are views of the file. Methods throw BoltError. */
export class BoltFile {
  private readonly file: Buffer;
  private readonly pageSize: number;
  private readonly pages: number;
  private readonly roots = new Map<string, Buffer>();

  constructor(bytes: Uint8Array) {
    this.file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const metas = [readMeta(this.file, 0), ...pageSizes.map((size) => readMeta(this.file, size))].filter((meta) => meta !== undefined);
    const newest = metas.sort((a, b) => b.transaction - a.transaction)[0];
    if (!newest) throw new BoltError('neither of its first pages is whole');
    if (newest.pageSize < pageBytes / 4 || newest.pages * newest.pageSize > this.file.length) throw new BoltError('it ends early');
    this.pageSize = newest.pageSize;
    this.pages = newest.pages;
    for (const { key, value, isBucket } of this.tree(newest.root, 0)) if (isBucket) this.roots.set(Buffer.from(key).toString(), value as Buffer);
  }

  /** The items of a bucket in the order of their keys; none of one that is not there. */
  *bucket(name: string): Generator<Item> {
    const value = this.roots.get(name);
    if (!value) return;
    if (value.length < bucketHeader) throw new BoltError(`bucket ${name} is cut off`);
    const root = Number(value.readBigUInt64LE(0));
    for (const element of root === 0 ? this.leaf(value.subarray(bucketHeader)) : this.tree(root, 0)) if (!element.isBucket) yield element;
  }

  private page(id: number): Buffer {
    if (id < 2 || id >= this.pages) throw new BoltError(`there is no page ${id}`);
    const at = id * this.pageSize;
    const end = at + (this.file.readUInt32LE(at + 12) + 1) * this.pageSize;
    if (Number(this.file.readBigUInt64LE(at)) !== id || end > this.file.length) throw new BoltError(`page ${id} is another`);
    return this.file.subarray(at, end);
  }

  private *tree(id: number, depth: number): Generator<Element> {
    if (depth > maxDepth) throw new BoltError('its pages go round in circles');
    const page = this.page(id);
    const flags = page.readUInt16LE(8);
    if (flags & pageFlag.leaf) return yield* this.leaf(page);
    if (!(flags & pageFlag.branch)) throw new BoltError(`page ${id} is none of a tree`);
    const count = page.readUInt16LE(10);
    if (pageHeader + count * elementBytes > page.length) throw new BoltError(`page ${id} is cut off`);
    for (let i = 0; i < count; i++) yield* this.tree(Number(page.readBigUInt64LE(pageHeader + i * elementBytes + 8)), depth + 1);
  }

  private *leaf(page: Buffer): Generator<Element> {
    if (page.length < pageHeader) throw new BoltError('a page is cut off');
    const count = page.readUInt16LE(10);
    if (pageHeader + count * elementBytes > page.length) throw new BoltError('a page is cut off');
    for (let i = 0; i < count; i++) {
      const at = pageHeader + i * elementBytes;
      const keyAt = at + page.readUInt32LE(at + 4);
      const valueAt = keyAt + page.readUInt32LE(at + 8);
      const end = valueAt + page.readUInt32LE(at + 12);
      if (end > page.length) throw new BoltError('an item is cut off');
      yield { key: page.subarray(keyAt, valueAt), value: page.subarray(valueAt, end), isBucket: (page.readUInt32LE(at) & bucketFlag) !== 0 };
    }
  }
}
