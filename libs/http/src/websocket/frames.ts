import { ByteBuffer } from '../byte-buffer.ts';

/** RFC 6455 frames. */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A broken peer; `code` is what the close frame should say. */
export class WebSocketError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'WebSocketError';
    this.code = code;
  }
}

/** `mask`: four bytes, from clients only. */
export function encodeFrame(frame: Frame, mask?: Uint8Array): Buffer {
  const { length } = frame.payload;
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended + (mask ? 4 : 0));
  head[0] = (frame.final ? 0x80 : 0) | frame.opcode;
  head[1] = (mask ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!mask) return Buffer.concat([head, frame.payload]);
  head.set(mask, 2 + extended);
  return Buffer.concat([head, masked(frame.payload, mask)]);
}

function masked(payload: Uint8Array, mask: Uint8Array): Buffer {
  const out = Buffer.from(payload);
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) ^ (mask[i & 3] as number);
  return out;
}

/** Collects bytes and cuts frames off; `maxBytes` bounds one payload. */
export class FrameParser {
  private readonly buffer = new ByteBuffer();
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  push(bytes: Uint8Array): void {
    this.buffer.push(bytes);
  }

  /** The next whole frame, if it has arrived. */
  next(): Frame | undefined {
    const { buffer } = this;
    if (buffer.length < 2) return undefined;
    const head = buffer.peek(14);
    const [first = 0, second = 0] = head;
    if (first & 0x70) throw new WebSocketError(1002, 'reserved bits are set');
    const short = second & 0x7f;
    let at = 2;
    let length = short;
    if (short >= 126) {
      const size = short === 126 ? 2 : 8;
      if (head.length < 2 + size) return undefined;
      length = size === 2 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
      at += size;
    }
    if (length > this.maxBytes) throw new WebSocketError(1009, `message of ${length} bytes is too big`);
    const isMasked = (second & 0x80) !== 0;
    const start = at + (isMasked ? 4 : 0);
    if (buffer.length < start + length) return undefined;
    const whole = buffer.take(start + length);
    const body = whole.subarray(start);
    return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload: isMasked ? masked(body, whole.subarray(at, at + 4)) : body };
  }
}
