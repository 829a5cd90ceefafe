import { StreamInflater } from './inflate.ts';

/** Header fields of a stream; names in lower case, several values joined by NUL. */
export type SpdyHeaders = Readonly<Record<string, string>>;

const prefixed =
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection ' +
  'content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match ' +
  'if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after ' +
  'server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200|OK version HTTP/1.1 url public set-cookie keep-alive origin';

const plain =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently' +
  '400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,' +
  'application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

const withLength = (text: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(text)]);

/** The dictionary of SPDY/3 header compression. */
export const dictionary: Buffer = Buffer.concat([...prefixed.split(' ').map((word) => withLength(word.replace('|', ' '))), Buffer.from(plain)]);

export function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

/** An empty stored block: decompressors hold back what they have until they see one. */
const syncFlush = Buffer.from([0, 0, 0, 0xff, 0xff]);

const maxBlockBytes = 1024 * 1024;

/** Encodes header blocks of one connection, in order. Writes stored (uncompressed) deflate blocks: a handful of short headers gains nothing from more. */
export class HeaderEncoder {
  private started = false;

  encode(headers: SpdyHeaders): Buffer {
    const pairs = Object.entries(headers);
    const body = Buffer.concat([uint32(pairs.length), ...pairs.flatMap(([name, value]) => [withLength(name.toLowerCase()), withLength(value)])]);
    const parts: Buffer[] = this.started ? [] : [Buffer.from([0x78, 0xbb]), uint32(adler32(dictionary))];
    this.started = true;
    for (let at = 0; at < body.length; at += 0xffff) {
      const piece = body.subarray(at, at + 0xffff);
      const head = Buffer.alloc(5);
      head.writeUInt16LE(piece.length, 1);
      head.writeUInt16LE(~piece.length & 0xffff, 3);
      parts.push(head, piece);
    }
    parts.push(syncFlush);
    return Buffer.concat(parts);
  }
}

/** Decodes header blocks of one connection, in order. */
export class HeaderDecoder {
  private readonly inflater = new StreamInflater(dictionary, { maxBytes: maxBlockBytes });

  decode(block: Uint8Array): SpdyHeaders {
    const bytes = this.inflater.inflate(block);
    const headers: Record<string, string> = {};
    let at = 4;
    const text = (): string => {
      const length = bytes.readUInt32BE(at);
      at += 4 + length;
      return bytes.toString('utf8', at - length, at);
    };
    for (let left = bytes.readUInt32BE(0); left > 0; left--) {
      const name = text();
      headers[name.toLowerCase()] = text();
    }
    return headers;
  }
}
