/**
 * The file format of bbolt, the database that an etcd keeps its state in: pages of a B+ tree of buckets. Little-endian; the
 * layout is that of `go.etcd.io/bbolt` (`page.go`, `db.go`, `bucket.go`), version 2.
 */
export const pageBytes = 4096;
/** id u64, flags u16, count u16, overflow u32. */
export const pageHeader = 16;
/** Of a leaf: flags u32, position u32, key bytes u32, value bytes u32. Of a branch: position u32, key bytes u32, page u64. */
export const elementBytes = 16;
export const pageFlag = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;
/** Of a leaf's element: its value is a bucket. */
export const bucketFlag = 0x01;
/** Of a bucket: root page u64 (0: the page follows in place), sequence u64. */
export const bucketHeader = 16;

const magic = 0xed0cdaed;
const version = 2;
/** magic, version, page size, flags (u32 each); root page, sequence, freelist, pages in all, transaction (u64 each); checksum. */
const metaBytes = 56;

export interface Meta {
  readonly pageSize: number;
  /** Root page of the bucket of buckets. */
  readonly root: number;
  readonly freelist: number;
  /** Pages in all. */
  readonly pages: number;
  readonly transaction: number;
}

/** FNV-1a, 64 bits. */
function fnv64a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}

/** Whether a file begins as such a database does. */
export function isBolt(file: Uint8Array): boolean {
  return file.length >= 2 * pageBytes && Buffer.from(file.buffer, file.byteOffset, file.byteLength).readUInt32LE(pageHeader) === magic;
}

export function writePageHeader(page: Buffer, head: { id: number; flags: number; count: number; overflow: number }): void {
  page.writeBigUInt64LE(BigInt(head.id), 0);
  page.writeUInt16LE(head.flags, 8);
  page.writeUInt16LE(head.count, 10);
  page.writeUInt32LE(head.overflow, 12);
}

export function metaPage(id: number, meta: Meta): Buffer {
  const page = Buffer.alloc(pageBytes);
  writePageHeader(page, { id, flags: pageFlag.meta, count: 0, overflow: 0 });
  const body = page.subarray(pageHeader);
  [magic, version, meta.pageSize, 0].forEach((value, i) => body.writeUInt32LE(value, 4 * i));
  [meta.root, 0, meta.freelist, meta.pages, meta.transaction].forEach((value, i) => body.writeBigUInt64LE(BigInt(value), 16 + 8 * i));
  body.writeBigUInt64LE(fnv64a(body.subarray(0, metaBytes)), metaBytes);
  return page;
}

/** What the page at `at` says of the database; undefined when it was not written whole. */
export function readMeta(file: Buffer, at: number): Meta | undefined {
  if (at + pageHeader + metaBytes + 8 > file.length) return undefined;
  const body = file.subarray(at + pageHeader);
  if (body.readUInt32LE(0) !== magic || body.readUInt32LE(4) !== version) return undefined;
  if (body.readBigUInt64LE(metaBytes) !== fnv64a(body.subarray(0, metaBytes))) return undefined;
  const word = (i: number): number => Number(body.readBigUInt64LE(16 + 8 * i));
  return { pageSize: body.readUInt32LE(8), root: word(0), freelist: word(2), pages: word(3), transaction: word(4) };
}
