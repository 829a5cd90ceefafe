/** Bytes that have arrived and wait to be cut into frames. Chunks are joined only when they are taken, so small ones cost no more than big ones. */
export class ByteBuffer {
  private chunks: Buffer[] = [];
  private total = 0;

  get length(): number {
    return this.total;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.total += bytes.length;
  }

  /** The first `count` bytes, or fewer when there are no more; they stay. */
  peek(count: number): Buffer {
    const [first] = this.chunks;
    if (!first) return Buffer.alloc(0);
    if (first.length >= count || this.chunks.length === 1) return first.subarray(0, count);
    const parts: Buffer[] = [];
    let size = 0;
    for (const chunk of this.chunks) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= count) break;
    }
    return Buffer.concat(parts).subarray(0, count);
  }

  /** Takes exactly `count` bytes off; there must be that many. */
  take(count: number): Buffer {
    const taken = this.peek(count);
    let left = count;
    let whole = 0;
    for (const chunk of this.chunks) {
      if (chunk.length > left) break;
      left -= chunk.length;
      whole++;
    }
    this.chunks.splice(0, whole);
    const [first] = this.chunks;
    if (first && left > 0) this.chunks[0] = first.subarray(left);
    this.total -= count;
    return taken;
  }
}
