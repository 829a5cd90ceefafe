import { Code, RpcError, toRpcError } from '../rpc-error.ts';
import { messageHeader, messageOf, messagePrefix } from './answer-frames.ts';
import type { Outgoing, SendWindows } from './send-window.ts';

/** Unpacks a gzip member; throws when it is none, or when more than `maxBytes` are in it. */
export type Gunzip = (packed: Uint8Array, maxBytes: number) => Uint8Array;

export interface MessageReaderOptions {
  /** Of one message. */
  readonly maxBytes: number;
  /** What the other end says its messages are packed by: `grpc-encoding`. */
  readonly encoding: string;
  readonly gunzip: Gunzip | undefined;
}

export function isKnownEncoding(encoding: string, gunzip: Gunzip | undefined): boolean {
  return encoding === 'identity' || encoding === '' || (encoding === 'gzip' && gunzip !== undefined);
}

const tooLarge = (bytes: number, maxBytes: number): RpcError => new RpcError(Code.RESOURCE_EXHAUSTED, `grpc: received message larger than max (${bytes} vs. ${maxBytes})`);

/** Takes the messages of one call out of what comes on its stream, in whatever pieces. Errors have the words of Go's gRPC. */
export class MessageReader {
  private readonly options: MessageReaderOptions;
  /** Pieces of a message that is not whole; what they have, and must have, together. */
  private parts: Buffer[] = [];
  private have = 0;
  private need = messageHeader;

  constructor(options: MessageReaderOptions) {
    this.options = options;
  }

  /** No message has begun that lacks its end. */
  get isWhole(): boolean {
    return this.have === 0;
  }

  /** Gives `to` the messages that are whole now. Throws RpcError: the call cannot go on. */
  push(payload: Buffer, to: { message(bytes: Buffer): void }): void {
    this.have += payload.length;
    if (this.parts.length) this.parts.push(payload);
    if (this.have >= this.need) this.cut(this.parts.length ? Buffer.concat(this.parts, this.have) : payload, to);
    else if (this.parts.length === 0) this.parts.push(payload);
  }

  private cut(bytes: Buffer, to: { message(bytes: Buffer): void }): void {
    const { maxBytes } = this.options;
    let at = 0;
    this.need = messageHeader;
    while (at + messageHeader <= bytes.length) {
      const length = bytes.readUInt32BE(at + 1);
      if (length > maxBytes) throw tooLarge(length, maxBytes);
      const packed = bytes[at] !== 0;
      if (packed) this.requireEncoding();
      const end = at + messageHeader + length;
      if (end > bytes.length) {
        this.need = messageHeader + length;
        break;
      }
      const message = bytes.subarray(at + messageHeader, end);
      to.message(packed ? this.unpacked(message) : message);
      at = end;
    }
    this.have = bytes.length - at;
    this.parts = this.have ? [bytes.subarray(at)] : [];
  }

  private requireEncoding(): void {
    const { encoding, gunzip } = this.options;
    if (encoding === 'identity' || encoding === '') throw new RpcError(Code.INTERNAL, 'grpc: compressed flag set with identity or empty encoding');
    if (!isKnownEncoding(encoding, gunzip)) throw new RpcError(Code.UNIMPLEMENTED, `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`);
  }

  private unpacked(message: Buffer): Buffer {
    const { gunzip, maxBytes } = this.options;
    try {
      const bytes = (gunzip as Gunzip)(message, maxBytes);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } catch (error) {
      if (error instanceof RangeError) throw new RpcError(Code.RESOURCE_EXHAUSTED, `grpc: received message after decompression larger than max ${maxBytes}`);
      throw new RpcError(Code.INTERNAL, `grpc: failed to decompress the received message: ${toRpcError(error).message}`);
    }
  }
}

const copiedBytes = 4096;

/** Sends one message as soon as there is room for it. */
export function sendMessage(windows: SendWindows, out: Outgoing, bytes: Uint8Array): void {
  // Small ones in one piece; large ones are not copied for the sake of five bytes.
  if (bytes.length > copiedBytes) windows.data(out, messagePrefix(bytes.length), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  else windows.data(out, messageOf(bytes));
}
