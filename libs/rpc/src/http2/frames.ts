/** HTTP/2 on the wire (RFC 9113): a header of nine bytes, then the payload. */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const frameHeader = 9;
export const frame = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, pushPromise: 5, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;
export const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
export const setting = { headerTableSize: 1, enablePush: 2, maxConcurrentStreams: 3, initialWindowSize: 4, maxFrameSize: 5, maxHeaderListSize: 6 } as const;
export const h2Error = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

/** What both sides begin with. */
export const defaultWindow = 65_535;
export const defaultFrameSize = 16_384;
export const largestWindow = 2 ** 31 - 1;

/** Writes a frame's header at `at`. */
export function writeHeader(out: Buffer, at: number, head: { length: number; type: number; flags: number; stream: number }): void {
  out[at] = head.length >>> 16;
  out[at + 1] = head.length >>> 8;
  out[at + 2] = head.length;
  out[at + 3] = head.type;
  out[at + 4] = head.flags;
  out.writeUInt32BE(head.stream, at + 5);
}

export function encodeFrame(head: { type: number; flags?: number; stream?: number }, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(frameHeader + payload.length);
  writeHeader(out, 0, { length: payload.length, type: head.type, flags: head.flags ?? 0, stream: head.stream ?? 0 });
  out.set(payload, frameHeader);
  return out;
}

export function uint32(...values: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(4 * values.length);
  values.forEach((value, i) => out.writeUInt32BE(value, 4 * i));
  return out;
}

export function encodeSettings(values: readonly (readonly [id: number, value: number])[]): Buffer {
  const out = Buffer.allocUnsafe(6 * values.length);
  values.forEach(([id, value], i) => {
    out.writeUInt16BE(id, 6 * i);
    out.writeUInt32BE(value, 6 * i + 2);
  });
  return encodeFrame({ type: frame.settings }, out);
}
