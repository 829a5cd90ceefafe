import { defaultFrameSize, frameHeader, h2Error, largestWindow, preface } from './frames.ts';

/** Breaks a connection: the other end does not keep to the protocol. `code` is HTTP/2's. */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, what: string) {
    super(what);
    this.name = 'ConnectionError';
    this.code = code;
  }
}

export const protocolError = (what: string): ConnectionError => new ConnectionError(h2Error.protocol, what);

export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  /** Of the stream; 0 is the connection. */
  readonly id: number;
}

const nothing = Buffer.alloc(0);

/** Cuts what the other end sends, in whatever pieces it comes, into frames: first a client's preface, then one after the other. */
export class FrameReader {
  private readonly frame: (head: FrameHead, payload: Buffer) => void;
  private rest: Buffer = nothing;
  private greeted: boolean;
  private stopped = false;

  /** `greeted`: no preface comes, as from a server. */
  constructor(frame: (head: FrameHead, payload: Buffer) => void, { greeted = false } = {}) {
    this.frame = frame;
    this.greeted = greeted;
  }

  /** Throws ConnectionError, and whatever the receiver of frames throws. */
  push(chunk: Buffer): void {
    const bytes = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = this.greeted ? 0 : this.greet(bytes);
    while (this.greeted && at + frameHeader <= bytes.length && !this.stopped) {
      const length = bytes.readUIntBE(at, 3);
      if (length > defaultFrameSize) throw new ConnectionError(h2Error.frameSize, `frame of ${length} bytes`);
      const end = at + frameHeader + length;
      if (end > bytes.length) break;
      this.frame({ type: bytes[at + 3] as number, flags: bytes[at + 4] as number, id: bytes.readUInt32BE(at + 5) & largestWindow }, bytes.subarray(at + frameHeader, end));
      at = end;
    }
    this.rest = at < bytes.length ? bytes.subarray(at) : nothing;
  }

  /** No more frames are handed out. */
  stop(): void {
    this.stopped = true;
  }

  private greet(bytes: Buffer): number {
    const known = Math.min(bytes.length, preface.length);
    if (!bytes.subarray(0, known).equals(preface.subarray(0, known))) throw protocolError('no HTTP/2 preface');
    if (bytes.length < preface.length) return 0;
    this.greeted = true;
    return preface.length;
  }
}

/** What a padded payload holds. */
export function unpad(payload: Buffer): Buffer {
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) throw protocolError('more padding than payload');
  return payload.subarray(1, payload.length - padding);
}
