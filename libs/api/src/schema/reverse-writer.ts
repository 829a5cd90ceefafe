const firstBytes = 1024;

/**
 * Writes protobuf from its end to its beginning: when a message has been written its length is known, so nothing is moved
 * and no length is computed twice. Whatever is written last comes first.
 */
export class ReverseWriter {
  private buffer = Buffer.allocUnsafe(firstBytes);
  private at = firstBytes;

  /** Bytes written so far. */
  get length(): number {
    return this.buffer.length - this.at;
  }

  /** A copy of what was written; the writer is empty again. */
  finish(): Buffer {
    const bytes = Buffer.from(this.buffer.subarray(this.at));
    this.at = this.buffer.length;
    return bytes;
  }

  private reserve(count: number): number {
    if (this.at < count) this.grow(count);
    return (this.at -= count);
  }

  private grow(count: number): void {
    const { length, buffer } = this;
    const size = Math.max(buffer.length * 2, length + count);
    const larger = Buffer.allocUnsafe(size);
    buffer.copy(larger, size - length, this.at);
    this.buffer = larger;
    this.at = size - length;
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** An unsigned number below 2^53. */
  varint(value: number): void {
    if (value < 0x80) {
      const at = this.reserve(1);
      this.buffer[at] = value;
      return;
    }
    let count = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count += 1;
    let at = this.reserve(count);
    for (let rest = value; count > 0; count--) {
      const low = rest % 0x80;
      rest = (rest - low) / 0x80;
      this.buffer[at++] = count > 1 ? low | 0x80 : low;
    }
  }

  /** int32 and int64: negative numbers take ten bytes, as two's complement of 64 bits. */
  integer(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) return this.varint(value);
    let rest = BigInt.asUintN(64, typeof value === 'bigint' ? value : BigInt(Math.trunc(value)));
    const bytes: number[] = [];
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }

  double(value: number): void {
    const at = this.reserve(8);
    this.buffer.writeDoubleLE(value, at);
  }

  /** UTF-8 with its length before it. Short ASCII, which nearly all strings are, is copied without a call into the runtime. */
  string(text: string): void {
    const { length } = text;
    if (length < 48 && this.ascii(text, length)) return this.varint(length);
    const count = Buffer.byteLength(text);
    const at = this.reserve(count);
    this.buffer.write(text, at, count, 'utf8');
    this.varint(count);
  }

  private ascii(text: string, length: number): boolean {
    const at = this.reserve(length);
    const { buffer } = this;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.at += length;
        return false;
      }
      buffer[at + i] = code;
    }
    return true;
  }

  bytes(bytes: Uint8Array): void {
    this.raw(bytes);
    this.varint(bytes.length);
  }
}
