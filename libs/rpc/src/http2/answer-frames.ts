import { Code, type RpcError } from '../rpc-error.ts';
import { flag, frame, frameHeader, writeHeader } from './frames.ts';
import { encodeHeader } from './hpack.ts';
import { headersFrame } from './send-window.ts';

/** What precedes every gRPC message: whether it is compressed, and its length. */
export const messageHeader = 5;

export const answerHead = Buffer.concat([encodeHeader([':status', '200']), encodeHeader(['content-type', 'application/grpc'])]);
const okBlock = encodeHeader(['grpc-status', '0']);

/** What bytes of a status message do not go out as they are (the protocol's percent-encoding). */
function percentEncoded(text: string): string {
  return [...Buffer.from(text)].map((byte) => (byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)).join('');
}

export function okTrailer(stream: number): Buffer {
  return headersFrame(stream, okBlock, true);
}

/** Ends a call with a failure; `begun`: its headers are out. */
export function failureTrailer(stream: number, { code, message }: RpcError, begun: boolean): Buffer {
  const status = [encodeHeader(['grpc-status', String(code)]), encodeHeader(['grpc-message', percentEncoded(message)])];
  return headersFrame(stream, Buffer.concat(begun ? status : [answerHead, ...status]), true);
}

const acceptsGzip = encodeHeader(['grpc-accept-encoding', 'identity,gzip']);

/** Refuses a call whose messages are packed in a way that nobody here knows, in the words of Go's gRPC; says what is known. */
export function unknownEncoding(stream: number, encoding: string): Buffer {
  const status = [encodeHeader(['grpc-status', String(Code.UNIMPLEMENTED)]), encodeHeader(['grpc-message', percentEncoded(`grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`)])];
  return headersFrame(stream, Buffer.concat([answerHead, acceptsGzip, ...status]), true);
}

/** What is no gRPC is answered in HTTP. */
export function httpRefusal(stream: number, status: number): Buffer {
  return headersFrame(stream, encodeHeader([':status', String(status)]), true);
}

export function messagePrefix(length: number, room = 0): Buffer {
  const out = Buffer.allocUnsafe(messageHeader + room);
  out[0] = 0;
  out.writeUInt32BE(length, 1);
  return out;
}

export function messageOf(bytes: Uint8Array): Buffer {
  const out = messagePrefix(bytes.length, bytes.length);
  out.set(bytes, messageHeader);
  return out;
}

const messageAt = 2 * frameHeader + answerHead.length;

/** A whole answer: headers, one message, trailers. Three frames in one piece, to be sent when the windows have room for the message. */
export function wholeAnswer(stream: number, bytes: Uint8Array): Buffer {
  const length = messageHeader + bytes.length;
  const trailerAt = messageAt + length;
  const out = Buffer.allocUnsafe(trailerAt + frameHeader + okBlock.length);
  writeHeader(out, 0, { length: answerHead.length, type: frame.headers, flags: flag.endHeaders, stream });
  out.set(answerHead, frameHeader);
  writeHeader(out, messageAt - frameHeader, { length, type: frame.data, flags: 0, stream });
  out[messageAt] = 0;
  out.writeUInt32BE(bytes.length, messageAt + 1);
  out.set(bytes, messageAt + messageHeader);
  writeHeader(out, trailerAt, { length: okBlock.length, type: frame.headers, flags: flag.endHeaders | flag.endStream, stream });
  out.set(okBlock, trailerAt + frameHeader);
  return out;
}
