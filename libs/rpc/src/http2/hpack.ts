import { decodeHuffman } from './huffman.ts';

/** One header: lower-case name and value, one character a byte. */
export type Header = readonly [name: string, value: string];

/** RFC 7541, appendix A: what every table begins with. */
const staticTable: readonly Header[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'], [':scheme', 'http'], [':scheme', 'https'],
  [':status', '200'], [':status', '204'], [':status', '206'], [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'],
  ['accept-charset', ''], ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''], ['content-disposition', ''],
  ['content-encoding', ''], ['content-language', ''], ['content-length', ''], ['content-location', ''], ['content-range', ''], ['content-type', ''],
  ['cookie', ''], ['date', ''], ['etag', ''], ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''], ['location', ''], ['max-forwards', ''],
  ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''], ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''],
  ['set-cookie', ''], ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''], ['www-authenticate', ''],
];

/** The size of the dynamic table that encoders may use: the protocol's default, as nothing else is announced. */
const tableBytes = 4096;
/** What an entry counts beside its text. */
const entryOverhead = 32;

/** A header block that is against the rules: the connection cannot go on, its table is not known any more. */
export class HpackError extends Error {
  constructor(what: string) {
    super(`header block: ${what}`);
    this.name = 'HpackError';
  }
}

/**
 * The receiving side of HPACK (RFC 7541) of one connection. A block that is the same as the last one, with nothing added to the
 * table in between, gives the same array again: so do most calls of a connection, and whoever reads the headers can tell.
 */
export class HpackDecoder {
  /** Newest first. */
  private readonly entries: Header[] = [];
  private bytes = 0;
  private limit = tableBytes;
  private changed = false;
  private lastBlock: Buffer | undefined;
  private lastHeaders: readonly Header[] = [];
  private readonly maxListBytes: number;
  private block: Buffer = Buffer.alloc(0);
  private at = 0;

  /** `maxListBytes`: of all names and values of one block. */
  constructor(maxListBytes: number) {
    this.maxListBytes = maxListBytes;
  }

  /** The headers of a whole block, in order. Throws HpackError; nothing may be decoded after that. */
  decode(block: Buffer): readonly Header[] {
    if (!this.changed && this.lastBlock?.equals(block)) return this.lastHeaders;
    this.changed = false;
    this.block = block;
    this.at = 0;
    const headers: Header[] = [];
    let listBytes = 0;
    while (this.at < block.length) {
      const header = this.field(headers.length > 0);
      if (!header) continue;
      listBytes += header[0].length + header[1].length + entryOverhead;
      if (listBytes > this.maxListBytes) throw new HpackError('more headers than are taken');
      headers.push(header);
    }
    this.lastBlock = Buffer.from(block);
    return (this.lastHeaders = headers);
  }

  /** Undefined for a change of the table's size, which only stands at the beginning. */
  private field(begun: boolean): Header | undefined {
    const first = this.block[this.at] as number;
    if (first & 0x80) return this.entry(this.integer(7));
    if (first & 0x40) return this.add(this.literal(6));
    if (!(first & 0x20)) return this.literal(4);
    if (begun) throw new HpackError('table size changed after a header');
    this.resize(this.integer(5));
    return undefined;
  }

  private literal(prefix: number): Header {
    const index = this.integer(prefix);
    const name = index ? this.entry(index)[0] : this.text();
    return [name, this.text()];
  }

  private entry(index: number): Header {
    const found = index > staticTable.length ? this.entries[index - staticTable.length - 1] : staticTable[index - 1];
    if (!found) throw new HpackError(`no entry ${index}`);
    return found;
  }

  private add(header: Header): Header {
    this.changed = true;
    this.bytes += header[0].length + header[1].length + entryOverhead;
    this.entries.unshift(header);
    this.evict();
    return header;
  }

  private resize(limit: number): void {
    if (limit > tableBytes) throw new HpackError(`table of ${limit} bytes`);
    this.changed = true;
    this.limit = limit;
    this.evict();
  }

  private evict(): void {
    while (this.bytes > this.limit) {
      const [name, value] = this.entries.pop() as Header;
      this.bytes -= name.length + value.length + entryOverhead;
    }
  }

  private byte(): number {
    const byte = this.block[this.at++];
    if (byte === undefined) throw new HpackError('ends early');
    return byte;
  }

  private integer(prefix: number): number {
    const most = (1 << prefix) - 1;
    let value = this.byte() & most;
    if (value < most) return value;
    for (let shift = 0; ; shift += 7) {
      // No length or index comes near this; more is an attack.
      if (shift > 21) throw new HpackError('number too large');
      const byte = this.byte();
      value += (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
  }

  private text(): string {
    const packed = ((this.block[this.at] ?? 0) & 0x80) !== 0;
    const length = this.integer(7);
    const end = this.at + length;
    if (end > this.block.length) throw new HpackError('ends early');
    const bytes = this.block.subarray(this.at, end);
    this.at = end;
    if (!packed) return bytes.toString('latin1');
    const text = decodeHuffman(bytes);
    if (text === undefined) throw new HpackError('bad Huffman code');
    return text;
  }
}

/** A header as a literal that goes into no table: says the same whatever was said before. Both are Latin-1. */
export function encodeHeader([name, value]: Header): Buffer {
  const index = staticTable.findIndex(([known, preset]) => known === name && preset === value) + 1;
  if (index) return Buffer.from([0x80 | index]);
  return Buffer.concat([Buffer.from([0]), encodeText(name), encodeText(value)]);
}

function encodeText(text: string): Buffer {
  const length: number[] = [];
  let rest = text.length - 127;
  if (rest < 0) length.push(text.length);
  else {
    for (length.push(127); rest >= 128; rest = Math.floor(rest / 128)) length.push(128 + (rest % 128));
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text, 'latin1')]);
}
