import { defaultFrameSize, defaultWindow, flag, frame, frameHeader, largestWindow, writeHeader } from './frames.ts';

/** What may still be sent on one stream, and what waits for leave to be sent. */
export interface Outgoing {
  readonly id: number;
  window: number;
  /** Payload that the other side has not made room for. */
  waiting: Buffer[];
  waitingBytes: number;
  /** What follows the payload: frames that end the stream. */
  trailer: Buffer | undefined;
  /** Called when nothing waits any more. */
  drained: (() => void) | undefined;
}

/** The sending side of flow control (RFC 9113, section 5.2): how much the other end takes, in all and on each stream. */
export class SendWindows {
  initial = defaultWindow;
  maxFrame = defaultFrameSize;
  private window = defaultWindow;
  private readonly blocked = new Set<Outgoing>();
  private readonly write: (bytes: Buffer) => void;
  private readonly finished: (stream: Outgoing) => void;

  /** `finished` is told when the trailer of a stream has been written. */
  constructor(write: (bytes: Buffer) => void, finished: (stream: Outgoing) => void) {
    this.write = write;
    this.finished = finished;
  }

  outgoing(id: number): Outgoing {
    return { id, window: this.initial, waiting: [], waitingBytes: 0, trailer: undefined, drained: undefined };
  }

  /** Takes `bytes` of payload for one frame at once, if that is possible now. */
  claim(stream: Outgoing, bytes: number): boolean {
    if (bytes > this.maxFrame || bytes > this.window || bytes > stream.window || stream.waitingBytes > 0) return false;
    this.window -= bytes;
    stream.window -= bytes;
    return true;
  }

  /** Sends payload as soon as there is room for it. */
  data(stream: Outgoing, ...payload: readonly Buffer[]): void {
    for (const part of payload) {
      stream.waiting.push(part);
      stream.waitingBytes += part.length;
    }
    this.advance(stream);
  }

  /** Ends the stream after what waits. */
  end(stream: Outgoing, trailer: Buffer): void {
    stream.trailer = trailer;
    this.advance(stream);
  }

  private advance(stream: Outgoing): void {
    while (stream.waitingBytes > 0) {
      const room = Math.min(this.window, stream.window, this.maxFrame);
      if (room <= 0) {
        this.blocked.add(stream);
        return;
      }
      this.dataFrame(stream, Math.min(room, stream.waitingBytes));
    }
    this.blocked.delete(stream);
    const { drained, trailer } = stream;
    stream.drained = stream.trailer = undefined;
    if (trailer) {
      this.write(trailer);
      this.finished(stream);
    }
    drained?.();
  }

  private dataFrame(stream: Outgoing, length: number): void {
    const head = Buffer.allocUnsafe(frameHeader);
    writeHeader(head, 0, { length, type: frame.data, flags: 0, stream: stream.id });
    this.write(head);
    for (let left = length; left > 0; ) {
      const first = stream.waiting[0] as Buffer;
      const part = first.length <= left ? first : first.subarray(0, left);
      this.write(part);
      left -= part.length;
      if (part === first) stream.waiting.shift();
      else stream.waiting[0] = first.subarray(part.length);
    }
    stream.waitingBytes -= length;
    stream.window -= length;
    this.window -= length;
  }

  /** Forgets what waits: the stream is over. */
  drop(stream: Outgoing): void {
    this.blocked.delete(stream);
    stream.waiting = [];
    stream.waitingBytes = 0;
    stream.trailer = undefined;
    const { drained } = stream;
    stream.drained = undefined;
    drained?.();
  }

  /** Room for the whole connection; false when it exceeds what the protocol knows. */
  grow(bytes: number): boolean {
    this.window += bytes;
    if (this.window > largestWindow) return false;
    for (const stream of [...this.blocked]) {
      if (this.window <= 0) break;
      this.advance(stream);
    }
    return true;
  }

  /** Room for one stream. */
  growStream(stream: Outgoing, bytes: number): boolean {
    stream.window += bytes;
    if (stream.window > largestWindow) return false;
    if (this.blocked.has(stream)) this.advance(stream);
    return true;
  }
}

/** Ends a stream from our side, without more. */
export function resetFrame(stream: number, code: number): Buffer {
  const out = Buffer.allocUnsafe(frameHeader + 4);
  writeHeader(out, 0, { length: 4, type: frame.reset, flags: 0, stream });
  out.writeUInt32BE(code, frameHeader);
  return out;
}

/** A frame with a whole header block. */
export function headersFrame(stream: number, block: Uint8Array, endStream: boolean): Buffer {
  const out = Buffer.allocUnsafe(frameHeader + block.length);
  writeHeader(out, 0, { length: block.length, type: frame.headers, flags: flag.endHeaders | (endStream ? flag.endStream : 0), stream });
  out.set(block, frameHeader);
  return out;
}
