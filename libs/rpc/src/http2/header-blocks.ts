import { ConnectionError, type FrameHead, protocolError, unpad } from './frame-reader.ts';
import { flag, h2Error } from './frames.ts';

/** A whole header block of one stream, not decoded. */
export interface HeaderBlock {
  readonly stream: number;
  readonly endStream: boolean;
  readonly block: Buffer;
}

/** Frames that one header block may be cut into. */
const maxPieces = 16;

/** Puts header blocks together from HEADERS and CONTINUATION frames. */
export class HeaderBlocks {
  private readonly maxBytes: number;
  private pending: { readonly stream: number; readonly endStream: boolean; readonly blocks: Buffer[]; bytes: number } | undefined;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** The stream whose block lacks its end; 0 for none. */
  get awaited(): number {
    return this.pending?.stream ?? 0;
  }

  /** A HEADERS frame. Undefined while more is to come. */
  begun({ flags, id }: FrameHead, payload: Buffer): HeaderBlock | undefined {
    let block = flags & flag.padded ? unpad(payload) : payload;
    if (flags & flag.priority) {
      if (block.length < 5) throw new ConnectionError(h2Error.frameSize, 'headers');
      block = block.subarray(5);
    }
    const endStream = (flags & flag.endStream) !== 0;
    if (flags & flag.endHeaders) return { stream: id, endStream, block };
    this.pending = { stream: id, endStream, blocks: [block], bytes: block.length };
    return undefined;
  }

  /** A CONTINUATION frame of the stream that is awaited. */
  continued(flags: number, payload: Buffer): HeaderBlock | undefined {
    const { pending } = this;
    if (!pending) throw protocolError('continuation of nothing');
    pending.blocks.push(payload);
    pending.bytes += payload.length;
    if (pending.bytes > this.maxBytes || pending.blocks.length > maxPieces) throw new ConnectionError(h2Error.enhanceYourCalm, 'more headers than are taken');
    if (!(flags & flag.endHeaders)) return undefined;
    this.pending = undefined;
    return { stream: pending.stream, endStream: pending.endStream, block: Buffer.concat(pending.blocks) };
  }
}
