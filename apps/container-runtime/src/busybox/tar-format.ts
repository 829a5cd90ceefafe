/** One entry of a tar archive. */
export interface TarEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'link';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly link: string;
  readonly bytes: Uint8Array;
}

const blockSize = 512;

function text(block: Uint8Array, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString();
}

function octal(block: Uint8Array, at: number, length: number): number {
  // GNU's base-256 form for big numbers has the top bit set.
  if ((block[at] ?? 0) & 0x80) return block.subarray(at + 1, at + length).reduce((sum, byte) => sum * 256 + byte, 0);
  return Number.parseInt(text(block, at, length).trim() || '0', 8);
}

/** Header and padded content of an entry, in ustar with GNU long names. */
export function encodeEntry(entry: TarEntry): Buffer {
  const parts: Buffer[] = [];
  if (Buffer.byteLength(entry.name) > 100) parts.push(longRecord('L', entry.name));
  if (Buffer.byteLength(entry.link) > 100) parts.push(longRecord('K', entry.link));
  parts.push(header(entry, { file: '0', link: '1', symlink: '2', directory: '5' }[entry.kind]), padded(entry.bytes));
  return Buffer.concat(parts);
}

function longRecord(type: 'L' | 'K', value: string): Buffer {
  const bytes = Buffer.from(`${value}\0`);
  const entry: TarEntry = { name: '././@LongLink', kind: 'file', mode: 0, uid: 0, gid: 0, mtimeSeconds: 0, link: '', bytes };
  return Buffer.concat([header(entry, type), padded(bytes)]);
}

function padded(bytes: Uint8Array): Buffer {
  const out = Buffer.alloc(Math.ceil(bytes.length / blockSize) * blockSize);
  out.set(bytes);
  return out;
}

function header(entry: TarEntry, type: string): Buffer {
  const block = Buffer.alloc(blockSize);
  const number = (value: number, at: number, length: number): void => void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  block.write(Buffer.from(entry.name).subarray(0, 100).toString('latin1'), 0, 'latin1');
  number(entry.mode & 0o7777, 100, 8);
  number(entry.uid, 108, 8);
  number(entry.gid, 116, 8);
  number(entry.bytes.length, 124, 12);
  number(Math.max(0, Math.floor(entry.mtimeSeconds)), 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(Buffer.from(entry.link).subarray(0, 100).toString('latin1'), 157, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  block.write(`${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Two empty blocks end an archive. */
export const endOfArchive = Buffer.alloc(2 * blockSize);

/** A malformed archive. */
export class TarError extends Error {}

function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  let rest = Buffer.from(bytes);
  while (rest.length) {
    const length = Number.parseInt(rest.toString('latin1'), 10);
    if (!(length > 0)) break;
    const record = rest.subarray(rest.indexOf(32) + 1, length - 1).toString();
    const equals = record.indexOf('=');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    rest = rest.subarray(length);
  }
  return records;
}

/** Entries of an archive that arrives in pieces: ustar, GNU long names, pax headers. */
export async function* decodeEntries(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const iterator = source[Symbol.asyncIterator]();
  let buffer = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer | undefined> => {
    const chunks: Buffer[] = [buffer];
    let size = buffer.length;
    while (size < length) {
      const next = await iterator.next();
      if (next.done) break;
      chunks.push(Buffer.from(next.value));
      size += next.value.length;
    }
    buffer = chunks.length > 1 ? Buffer.concat(chunks) : buffer;
    if (buffer.length < length) return undefined;
    const out = buffer.subarray(0, length);
    buffer = buffer.subarray(length);
    return out;
  };
  let longName: string | undefined;
  let longLink: string | undefined;
  for (let block = await take(blockSize); block; block = await take(blockSize)) {
    if (block.every((byte) => byte === 0)) continue;
    if (text(block, 257, 5) !== 'ustar' && octal(block, 148, 8) === 0) throw new TarError('invalid tar magic');
    const size = octal(block, 124, 12);
    const type = String.fromCharCode(block[156] ?? 0).replace('\0', '0');
    const content = await take(Math.ceil(size / blockSize) * blockSize);
    if (!content) throw new TarError('short read');
    const bytes = content.subarray(0, size);
    if (type === 'L') longName = text(bytes, 0, size);
    else if (type === 'K') longLink = text(bytes, 0, size);
    else if (type === 'x') {
      const records = paxRecords(bytes);
      longName = records.get('path') ?? longName;
      longLink = records.get('linkpath') ?? longLink;
    } else if (type !== 'g') {
      const prefix = text(block, 257, 6) === 'ustar' ? text(block, 345, 155) : '';
      const name = longName ?? (prefix ? `${prefix}/${text(block, 0, 100)}` : text(block, 0, 100));
      const kind = ({ '1': 'link', '2': 'symlink', '5': 'directory' } as const)[type as '1'] ?? (name.endsWith('/') ? 'directory' : 'file');
      yield { name, kind, mode: octal(block, 100, 8), uid: octal(block, 108, 8), gid: octal(block, 116, 8), mtimeSeconds: octal(block, 136, 12), link: longLink ?? text(block, 157, 100), bytes: Uint8Array.from(bytes) };
      longName = longLink = undefined;
    }
  }
}
