import type { ByteReader, ByteStream } from '../byte-stream.ts';
import { HttpParseError } from './head.ts';

/** How the end of a body is known. */
export type BodyFraming = { readonly kind: 'none' } | { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' } | { readonly kind: 'untilClose' };

/** The framing of a reply's body by RFC 9112. */
export function responseFraming(options: { method: string; status: number; headers: Readonly<Record<string, string>> }): BodyFraming {
  const { method, status, headers } = options;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { kind: 'none' };
  if (headers['transfer-encoding']?.toLowerCase().includes('chunked')) return { kind: 'chunked' };
  const length = headers['content-length'];
  return length === undefined ? { kind: 'untilClose' } : { kind: 'length', bytes: Number(length) };
}

/** The framing of a request's body: none unless announced. */
export function requestFraming(headers: Readonly<Record<string, string>>): BodyFraming {
  if (headers['transfer-encoding']?.toLowerCase().includes('chunked')) return { kind: 'chunked' };
  const length = Number(headers['content-length'] ?? 0);
  return length > 0 ? { kind: 'length', bytes: length } : { kind: 'none' };
}

/** Cuts a byte stream at lines and counts. */
class Cutter {
  private rest: Uint8Array = new Uint8Array(0);
  private readonly source: ByteReader;

  constructor(source: ByteReader) {
    this.source = source;
  }

  async some(limit: number): Promise<Uint8Array | undefined> {
    const bytes = this.rest.length ? this.rest : await this.source.read();
    if (!bytes) return undefined;
    this.rest = bytes.subarray(limit);
    return bytes.subarray(0, limit);
  }

  get unused(): Uint8Array {
    return this.rest;
  }

  async line(): Promise<string> {
    let text = '';
    for (;;) {
      const bytes = await this.some(Number.MAX_SAFE_INTEGER);
      if (!bytes) throw new HttpParseError('connection closed within a body');
      const end = bytes.indexOf(0x0a);
      text += Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
      if (end >= 0) {
        this.rest = bytes.subarray(end + 1);
        return text.replace(/\r$/, '');
      }
      if (text.length > 4096) throw new HttpParseError('line too long');
    }
  }
}

async function* fixed(cutter: Cutter, count: number): AsyncGenerator<Uint8Array> {
  for (let left = count; left > 0; ) {
    const bytes = await cutter.some(left);
    if (!bytes) throw new HttpParseError('connection closed within a body');
    left -= bytes.length;
    yield bytes;
  }
}

async function* chunked(cutter: Cutter): AsyncGenerator<Uint8Array> {
  for (;;) {
    const size = parseInt(await cutter.line(), 16);
    if (Number.isNaN(size)) throw new HttpParseError('malformed chunk size');
    if (size === 0) break;
    yield* fixed(cutter, size);
    await cutter.line();
  }
  while ((await cutter.line()) !== '');
}

/**
 * The body as it arrives. When it ends, `onRest` gets the bytes that were read too far (a client that sends its next
 * request early), so the connection may be used again unless it was `untilClose`.
 */
export async function* readBody(stream: ByteStream, framing: BodyFraming, onRest?: (rest: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  if (framing.kind === 'none') return;
  const cutter = new Cutter(stream);
  if (framing.kind !== 'untilClose') {
    if (framing.kind === 'length') yield* fixed(cutter, framing.bytes);
    else yield* chunked(cutter);
    onRest?.(cutter.unused);
  } else for (let bytes = await stream.read(); bytes; bytes = await stream.read()) yield bytes;
}

const crlf = Buffer.from('\r\n');

/** One chunk of `Transfer-Encoding: chunked`. */
export function chunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, crlf]);
}

export const lastChunk = Buffer.from('0\r\n\r\n');
