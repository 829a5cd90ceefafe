/** Thrown for bytes that are no zlib stream. */
export class InflateError extends Error {}

const lengthBase = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBase = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
const distanceExtra = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A canonical Huffman code: how many codes of each length, and the symbols in order. */
interface Huffman {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

function huffman(lengths: readonly number[]): Huffman {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  counts[0] = 0;
  const offsets = new Uint16Array(16);
  for (let i = 1; i < 16; i++) offsets[i] = (offsets[i - 1] ?? 0) + (counts[i - 1] ?? 0);
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (!length) return;
    const at = offsets[length] ?? 0;
    symbols[at] = symbol;
    offsets[length] = at + 1;
  });
  return { counts, symbols };
}

const repeat = (value: number, times: number): number[] => new Array<number>(times).fill(value);
const fixedLiterals = huffman([...repeat(8, 144), ...repeat(9, 112), ...repeat(7, 24), ...repeat(8, 8)]);
const fixedDistances = huffman(repeat(5, 30));

class BitReader {
  private readonly bytes: Uint8Array;
  private at = 0;
  private bitBuffer = 0;
  private bitCount = 0;

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.at = start;
  }

  bits(count: number): number {
    while (this.bitCount < count) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new InflateError('unexpected end of compressed data');
      this.bitBuffer |= byte << this.bitCount;
      this.bitCount += 8;
    }
    const value = this.bitBuffer & ((1 << count) - 1);
    this.bitBuffer >>>= count;
    this.bitCount -= count;
    return value;
  }

  symbol(code: Huffman): number {
    let value = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      value |= this.bits(1);
      const count = code.counts[length] ?? 0;
      if (value - count < first) return code.symbols[index + (value - first)] as number;
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    throw new InflateError('invalid code');
  }

  /** Drops the rest of the current byte and takes whole bytes. */
  aligned(count: number): Uint8Array {
    this.bitBuffer = 0;
    this.bitCount = 0;
    if (this.at + count > this.bytes.length) throw new InflateError('unexpected end of compressed data');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** No whole byte is left. */
  get finished(): boolean {
    return this.at >= this.bytes.length;
  }
}

function dynamicCodes(input: BitReader): { literals: Huffman; distances: Huffman } {
  const literalCount = input.bits(5) + 257;
  const distanceCount = input.bits(5) + 1;
  const lengthCount = input.bits(4) + 4;
  const lengths = repeat(0, 19);
  for (let i = 0; i < lengthCount; i++) lengths[codeLengthOrder[i] as number] = input.bits(3);
  const code = huffman(lengths);
  const all: number[] = [];
  while (all.length < literalCount + distanceCount) {
    const symbol = input.symbol(code);
    if (symbol < 16) all.push(symbol);
    else if (symbol === 16) all.push(...repeat(all.at(-1) ?? 0, 3 + input.bits(2)));
    else all.push(...repeat(0, symbol === 17 ? 3 + input.bits(3) : 11 + input.bits(7)));
  }
  return { literals: huffman(all.slice(0, literalCount)), distances: huffman(all.slice(literalCount, literalCount + distanceCount)) };
}

const windowBytes = 32 * 1024;

/**
 * Decompresses a zlib stream that arrives in pieces, each ending in a sync flush, as SPDY header blocks do; what came
 * before stays in the window. Written out here because Node's zlib cannot keep a window across synchronous calls.
 */
export class StreamInflater {
  private window: number[] = [];
  private readonly dictionary: Uint8Array;
  private started = false;
  private readonly maxBytes: number;

  constructor(dictionary: Uint8Array, options: { maxBytes: number }) {
    this.dictionary = dictionary;
    this.maxBytes = options.maxBytes;
  }

  /** What one piece decompresses to. */
  inflate(piece: Uint8Array): Buffer {
    let offset = 0;
    if (!this.started) {
      const [method = 0, flags = 0] = piece;
      if ((method & 0x0f) !== 8 || ((method << 8) | flags) % 31 !== 0) throw new InflateError('not a zlib stream');
      offset = flags & 0x20 ? 6 : 2;
      if (flags & 0x20) this.window = [...this.dictionary];
      this.started = true;
    }
    const before = this.window.length;
    const input = new BitReader(piece, offset);
    while (!input.finished) this.block(input, before);
    const out = Buffer.from(this.window.slice(before));
    this.window = this.window.slice(-windowBytes);
    return out;
  }

  private block(input: BitReader, before: number): void {
    const final = input.bits(1);
    const type = input.bits(2);
    if (type === 0) {
      const [low = 0, high = 0] = input.aligned(4);
      for (const byte of input.aligned(low | (high << 8))) this.window.push(byte);
    } else if (type === 1) this.compressed(input, { literals: fixedLiterals, distances: fixedDistances, before });
    else if (type === 2) this.compressed(input, { ...dynamicCodes(input), before });
    else throw new InflateError('invalid block type');
    if (this.window.length - before > this.maxBytes) throw new InflateError('decompressed data is too big');
    if (final) throw new InflateError('stream ended');
  }

  private compressed(input: BitReader, codes: { literals: Huffman; distances: Huffman; before: number }): void {
    const { window } = this;
    for (;;) {
      const symbol = input.symbol(codes.literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        window.push(symbol);
        continue;
      }
      const length = (lengthBase[symbol - 257] ?? 0) + input.bits(lengthExtra[symbol - 257] ?? 0);
      const code = input.symbol(codes.distances);
      const distance = (distanceBase[code] ?? 0) + input.bits(distanceExtra[code] ?? 0);
      if (distance > window.length || window.length - codes.before + length > this.maxBytes) throw new InflateError('invalid distance');
      for (let i = 0; i < length; i++) window.push(window[window.length - distance] as number);
    }
  }
}
