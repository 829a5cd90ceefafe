import { ByteBuffer } from '../byte-buffer.ts';

/** SPDY/3.1 frames as they lie on the wire; header blocks are still compressed. */
export type SpdyFrame =
  | { readonly type: 'data'; readonly streamId: number; readonly fin: boolean; readonly data: Uint8Array }
  | { readonly type: 'synStream'; readonly streamId: number; readonly fin: boolean; readonly unidirectional: boolean; readonly headerBlock: Uint8Array }
  | { readonly type: 'synReply' | 'headers'; readonly streamId: number; readonly fin: boolean; readonly headerBlock: Uint8Array }
  | { readonly type: 'rstStream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway'; readonly lastStreamId: number; readonly status: number }
  | { readonly type: 'windowUpdate'; readonly streamId: number; readonly delta: number }
  | { readonly type: 'settings' };

/** Bytes that are no SPDY/3.1. */
export class SpdyError extends Error {}

const Control = { synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goAway: 7, headers: 8, windowUpdate: 9 } as const;

export const maxDataBytes = 0xffffff;

function words(...values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => out.writeUInt32BE(value >>> 0, i * 4));
  return out;
}

function control(type: number, flags: number, ...payload: readonly Uint8Array[]): Buffer {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([words((0x8003 << 16) | type, (flags << 24) | length), ...payload]);
}

export function encodeSpdyFrame(frame: SpdyFrame): Buffer {
  switch (frame.type) {
    case 'data':
      return Buffer.concat([words(frame.streamId, ((frame.fin ? 1 : 0) << 24) | frame.data.length), frame.data]);
    case 'synStream':
      return control(Control.synStream, (frame.fin ? 1 : 0) | (frame.unidirectional ? 2 : 0), words(frame.streamId, 0), Buffer.alloc(2), frame.headerBlock);
    case 'synReply':
    case 'headers':
      return control(Control[frame.type], frame.fin ? 1 : 0, words(frame.streamId), frame.headerBlock);
    case 'rstStream':
      return control(Control.rstStream, 0, words(frame.streamId, frame.status));
    case 'ping':
      return control(Control.ping, 0, words(frame.id));
    case 'goAway':
      return control(Control.goAway, 0, words(frame.lastStreamId, frame.status));
    case 'windowUpdate':
      return control(Control.windowUpdate, 0, words(frame.streamId, frame.delta));
    case 'settings':
      return control(Control.settings, 0, words(0));
  }
}

const streamMask = 0x7fffffff;

function decodeControl(type: number, flags: number, body: Buffer): SpdyFrame | undefined {
  const word = (at: number): number => {
    if (body.length < at + 4) throw new SpdyError(`control frame of type ${type} is too short`);
    return body.readUInt32BE(at);
  };
  const fin = (flags & 1) !== 0;
  switch (type) {
    case Control.synStream:
      return { type: 'synStream', streamId: word(0) & streamMask, fin, unidirectional: (flags & 2) !== 0, headerBlock: body.subarray(10) };
    case Control.synReply:
      return { type: 'synReply', streamId: word(0) & streamMask, fin, headerBlock: body.subarray(4) };
    case Control.headers:
      return { type: 'headers', streamId: word(0) & streamMask, fin, headerBlock: body.subarray(4) };
    case Control.rstStream:
      return { type: 'rstStream', streamId: word(0) & streamMask, status: word(4) };
    case Control.ping:
      return { type: 'ping', id: word(0) };
    case Control.goAway:
      return { type: 'goAway', lastStreamId: word(0) & streamMask, status: word(4) };
    case Control.windowUpdate:
      return { type: 'windowUpdate', streamId: word(0) & streamMask, delta: word(4) & streamMask };
    case Control.settings:
      return { type: 'settings' };
    default:
      return undefined;
  }
}

/** Collects bytes and cuts frames off. Control frames of unknown type are skipped, as the protocol asks. */
export class SpdyParser {
  private readonly buffer = new ByteBuffer();

  push(bytes: Uint8Array): void {
    this.buffer.push(bytes);
  }

  next(): SpdyFrame | undefined {
    for (;;) {
      const { buffer } = this;
      if (buffer.length < 8) return undefined;
      const head = buffer.peek(8);
      const first = head.readUInt32BE(0);
      const second = head.readUInt32BE(4);
      const length = second & 0xffffff;
      if (buffer.length < 8 + length) return undefined;
      const body = buffer.take(8 + length).subarray(8);
      if (!(first & 0x80000000)) return { type: 'data', streamId: first & streamMask, fin: ((second >>> 24) & 1) !== 0, data: body };
      if (((first >>> 16) & 0x7fff) !== 3) throw new SpdyError(`unsupported SPDY version ${(first >>> 16) & 0x7fff}`);
      const frame = decodeControl(first & 0xffff, second >>> 24, body);
      if (frame) return frame;
    }
  }
}
