import { crc32c } from '@orrery/mvcc';

/**
 * A frame is what one group commit appends, in one write: a header and the records of consecutive entries. The next frame
 * is written only after this one is synced. Therefore a crash can damage the last frame alone, in whatever way; a damaged
 * frame with a whole one after it is corruption.
 *
 * Little-endian: magic u32, crc32c u32 of all that follows, payload length u32, records u32, first index u64, term u32,
 * format u32. A record: length u32, kind u8, bytes.
 */
export const frameHeader = 32;
const recordHeader = 5;
const magic = 0x4c57524f;
const format = 1;
/** Longest payload that is believed; a frame holds a few megabytes. */
const maxPayload = 1 << 30;

export interface Frame {
  readonly firstIndex: number;
  readonly count: number;
  readonly term: number;
  /** Offset after it. */
  readonly end: number;
}

/** Collects records and seals them into a frame. Its buffer is reused: a sealed frame is valid until the next `add`. */
export class FrameBuilder {
  private buffer = Buffer.allocUnsafe(64 * 1024);
  private at = frameHeader;
  private count = 0;

  get bytes(): number {
    return this.at;
  }

  add(kind: number, bytes: Uint8Array): void {
    const end = this.at + recordHeader + bytes.length;
    if (end > this.buffer.length) this.grow(end);
    this.buffer.writeUInt32LE(bytes.length, this.at);
    this.buffer[this.at + 4] = kind;
    this.buffer.set(bytes, this.at + recordHeader);
    this.at = end;
    this.count += 1;
  }

  private grow(atLeast: number): void {
    const larger = Buffer.allocUnsafe(Math.max(atLeast, this.buffer.length * 2));
    larger.set(this.buffer.subarray(0, this.at));
    this.buffer = larger;
  }

  /** Seals what was added and starts over. */
  seal(options: { firstIndex: number; term: number }): Uint8Array {
    const frame = this.buffer.subarray(0, this.at);
    frame.writeUInt32LE(magic, 0);
    frame.writeUInt32LE(this.at - frameHeader, 8);
    frame.writeUInt32LE(this.count, 12);
    frame.writeBigUInt64LE(BigInt(options.firstIndex), 16);
    frame.writeUInt32LE(options.term, 24);
    frame.writeUInt32LE(format, 28);
    frame.writeUInt32LE(crc32c(frame, { start: 8 }), 4);
    this.at = frameHeader;
    this.count = 0;
    return frame;
  }
}

/** The frame at `at`, or undefined when there is no whole, undamaged one. */
export function readFrame(file: Buffer, at: number): Frame | undefined {
  if (at + frameHeader > file.length || file.readUInt32LE(at) !== magic) return undefined;
  const payload = file.readUInt32LE(at + 8);
  const end = at + frameHeader + payload;
  if (payload > maxPayload || end > file.length) return undefined;
  if (crc32c(file, { start: at + 8, end }) !== file.readUInt32LE(at + 4)) return undefined;
  const firstIndex = Number(file.readBigUInt64LE(at + 16));
  return { firstIndex, count: file.readUInt32LE(at + 12), term: file.readUInt32LE(at + 24), end };
}

/** Whether an undamaged frame with entries from `index` on lies anywhere after `from`. */
export function findLaterFrame(file: Buffer, from: number, index: number): number | undefined {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(magic, 0);
  for (let at = file.indexOf(word, from); at >= 0; at = file.indexOf(word, at + 1)) {
    const frame = readFrame(file, at);
    if (frame && frame.firstIndex >= index) return at;
  }
  return undefined;
}

/** Whether there is nothing but zeros from `from` on: room that was made ahead. */
export function isBlank(file: Buffer, from: number): boolean {
  for (let at = from; at < file.length; at++) if (file[at] !== 0) return false;
  return true;
}

/** Visits the records of a frame that was read at `at`. */
export function forEachRecord(file: Buffer, at: number, frame: Frame, visit: (record: { index: number; kind: number; bytes: Uint8Array }) => void): void {
  let offset = at + frameHeader;
  for (let i = 0; i < frame.count; i++) {
    const length = file.readUInt32LE(offset);
    const kind = file[offset + 4] as number;
    const start = offset + recordHeader;
    offset = start + length;
    visit({ index: frame.firstIndex + i, kind, bytes: file.subarray(start, offset) });
  }
}
