import { bucketFlag, bucketHeader, elementBytes, metaPage, pageBytes, pageFlag, pageHeader, writePageHeader } from './bolt-format.ts';

export interface Item {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface Bucket {
  readonly name: string;
  /** In the order of the keys' bytes, each once. */
  readonly items: Iterable<Item>;
}

interface Child {
  readonly firstKey: Uint8Array;
  readonly page: number;
}

/** The first two pages say where all is; the third lists free ones, of which there are none. */
const freelistPage = 2;
const firstPage = 3;

const sizeOf = (items: readonly Item[]): number => items.reduce((sum, { key, value }) => sum + elementBytes + key.length + value.length, pageHeader);

/** Lays pages out one after the other as trees are built from their leaves up. */
class Pages {
  readonly made: Buffer[] = [];
  private next = firstPage;

  get count(): number {
    return this.next;
  }

  /** A leaf; one that is larger than a page goes on in those that follow. */
  leaf(items: readonly Item[], flags = 0): number {
    const { id, page } = this.page(sizeOf(items), pageFlag.leaf, items.length);
    this.elements(page, items, (element, content, item) => {
      page.writeUInt32LE(flags, element);
      page.writeUInt32LE(content - element, element + 4);
      page.writeUInt32LE(item.key.length, element + 8);
      page.writeUInt32LE(item.value.length, element + 12);
    });
    return id;
  }

  branch(children: readonly Child[]): number {
    const items = children.map(({ firstKey }) => ({ key: firstKey, value: new Uint8Array(0) }));
    const { id, page } = this.page(sizeOf(items), pageFlag.branch, items.length);
    this.elements(page, items, (element, content, item, i) => {
      page.writeUInt32LE(content - element, element);
      page.writeUInt32LE(item.key.length, element + 4);
      page.writeBigUInt64LE(BigInt((children[i] as Child).page), element + 8);
    });
    return id;
  }

  private page(bytes: number, flags: number, count: number): { id: number; page: Buffer } {
    const pages = Math.max(1, Math.ceil(bytes / pageBytes));
    const page = Buffer.alloc(pages * pageBytes);
    const id = this.next;
    this.next += pages;
    writePageHeader(page, { id, flags, count, overflow: pages - 1 });
    this.made.push(page);
    return { id, page };
  }

  private elements(page: Buffer, items: readonly Item[], write: (element: number, content: number, item: Item, i: number) => void): void {
    let content = pageHeader + elementBytes * items.length;
    items.forEach((item, i) => {
      const element = pageHeader + elementBytes * i;
      write(element, content, item, i);
      page.set(item.key, content);
      page.set(item.value, content + item.key.length);
      content += item.key.length + item.value.length;
    });
  }
}

/** Cuts into pieces that fit a page each, as far as single ones do. */
function* pieces<T>(all: Iterable<T>, bytesOf: (one: T) => number): Generator<T[]> {
  let piece: T[] = [];
  let bytes = pageHeader;
  for (const one of all) {
    const more = elementBytes + bytesOf(one);
    if (piece.length && bytes + more > pageBytes) {
      yield piece;
      piece = [];
      bytes = pageHeader;
    }
    piece.push(one);
    bytes += more;
  }
  if (piece.length) yield piece;
}

/** The root page of a tree with these items; undefined when there are none. Yields after each leaf. */
function* tree(pages: Pages, items: Iterable<Item>, flags = 0): Generator<void, number | undefined> {
  let level: Child[] = [];
  for (const piece of pieces(items, ({ key, value }) => key.length + value.length)) {
    level.push({ firstKey: (piece[0] as Item).key, page: pages.leaf(piece, flags) });
    yield;
  }
  while (level.length > 1) {
    level = [...pieces(level, ({ firstKey }) => firstKey.length)].map((piece) => ({ firstKey: (piece[0] as Child).firstKey, page: pages.branch(piece) }));
  }
  return level[0]?.page;
}

/** What the bucket of buckets holds for one; an empty one has its page in place. */
function bucketValue(root: number | undefined): Buffer {
  const value = Buffer.alloc(root === undefined ? bucketHeader + pageHeader : bucketHeader);
  value.writeBigUInt64LE(BigInt(root ?? 0), 0);
  if (root === undefined) writePageHeader(value.subarray(bucketHeader), { id: 0, flags: pageFlag.leaf, count: 0, overflow: 0 });
  return value;
}

/** The pages of a database with these buckets, in the order of the file. Yields often, so that the caller can do other things meanwhile. */
export function* writeBolt(buckets: readonly Bucket[]): Generator<void, Buffer[]> {
  const pages = new Pages();
  const roots: Item[] = [];
  for (const { name, items } of buckets) roots.push({ key: Buffer.from(name), value: bucketValue(yield* tree(pages, items)) });
  roots.sort((a, b) => Buffer.compare(a.key, b.key));
  const root = (yield* tree(pages, roots, bucketFlag)) ?? pages.leaf([]);
  const freelist = Buffer.alloc(pageBytes);
  writePageHeader(freelist, { id: freelistPage, flags: pageFlag.freelist, count: 0, overflow: 0 });
  const meta = { pageSize: pageBytes, root, freelist: freelistPage, pages: pages.count };
  // The transaction says which of the two counts: that of an even number is on the first page.
  return [metaPage(0, { ...meta, transaction: 0 }), metaPage(1, { ...meta, transaction: 1 }), freelist, ...pages.made];
}
