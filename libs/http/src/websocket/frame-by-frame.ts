import type { ByteStream } from '../byte-stream.ts';

/** Bytes of a frame's header, as far as what is there of it tells (RFC 6455, 5.2). */
function headerBytes(header: readonly number[]): number {
  const second = header[1];
  if (second === undefined) return 2;
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0);
}

function payloadBytes(header: readonly number[]): number {
  const length = (header[1] ?? 0) & 0x7f;
  if (length < 126) return length;
  return header.slice(2, length === 126 ? 4 : 10).reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Cuts a stream of WebSocket frames so that no piece holds bytes of two; what is cut is not looked at further. */
export function frameCutter(): (bytes: Uint8Array) => Uint8Array[] {
  let header: number[] = [];
  let left = 0;
  return (bytes) => {
    const pieces: Uint8Array[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const taken = Math.min(left, bytes.length - at);
        at += taken;
        left -= taken;
      } else {
        header.push(bytes[at++] ?? 0);
        if (header.length < headerBytes(header)) continue;
        left = payloadBytes(header);
        header = [];
      }
      if (left > 0) continue;
      pieces.push(bytes.subarray(start, at));
      start = at;
    }
    if (start < bytes.length) pieces.push(bytes.subarray(start));
    return pieces;
  };
}

/**
 * The stream to a WebSocket client whose first write is the head of the reply and all others frames: each frame is handed
 * over alone, and so lies in a TLS record of its own. Clients that wait with poll(2) on the socket and then read one frame
 * (the Python client does) never learn of a second one in the same record: their TLS library holds it already.
 */
export function frameByFrame(stream: ByteStream, flushed: () => Promise<void>): ByteStream {
  const cut = frameCutter();
  let isHead = true;
  return {
    read: () => stream.read(),
    async write(bytes) {
      const pieces = isHead ? [bytes] : cut(bytes);
      isHead = false;
      for (const piece of pieces) {
        await flushed();
        await stream.write(piece);
      }
    },
    closeWrite: () => stream.closeWrite(),
    close: (error) => stream.close(error),
  };
}
