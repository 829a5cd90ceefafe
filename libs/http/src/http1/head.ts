import { type ByteStream, unread } from '../byte-stream.ts';

/** Header fields as sent: name and value, in order, names may repeat. */
export type HeaderList = readonly (readonly [string, string])[];

/** Lower-case names; several values as an array or joined by commas (`HttpHeaders` of @orrery/node-io is one). */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
}

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  /** Default '1.1'. A 1.0 client keeps its connection only when it says so. */
  readonly version?: '1.0' | '1.1';
}

/** Bytes that are not HTTP/1.1. */
export class HttpParseError extends Error {}

const maxHeadBytes = 64 * 1024;

/** All values of a header, split at commas, trimmed, in order. */
export function headerValues(headers: HeaderMap, name: string): string[] {
  const value = headers[name.toLowerCase()];
  const all = value === undefined ? [] : typeof value === 'string' ? [value] : value;
  return all.flatMap((one) => one.split(',')).map((one) => one.trim()).filter((one) => one !== '');
}

export function headerValue(headers: HeaderMap, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return value === undefined || typeof value === 'string' ? value : value[0];
}

export function headerMap(list: HeaderList): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of list) {
    const key = name.toLowerCase();
    out[key] = out[key] === undefined ? value : `${out[key]}, ${value}`;
  }
  return out;
}

/** The list form of a map: one entry a value. */
export function headerList(map: HeaderMap): [string, string][] {
  return Object.entries(map).flatMap(([name, value]) => (value === undefined ? [] : typeof value === 'string' ? [[name, value] as [string, string]] : value.map((one) => [name, one] as [string, string])));
}

const fields = (headers: HeaderList): string => headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');

export function formatRequestHead(head: RequestHead): Buffer {
  return Buffer.from(`${head.method} ${head.target} HTTP/1.1\r\n${fields(head.headers)}\r\n`, 'latin1');
}

export function formatResponseHead(head: ResponseHead): Buffer {
  return Buffer.from(`HTTP/1.1 ${head.status} ${head.reason}\r\n${fields(head.headers)}\r\n`, 'latin1');
}

function parseFields(lines: readonly string[]): HeaderList {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    if (colon <= 0) throw new HttpParseError(`malformed header line ${JSON.stringify(line)}`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const;
  });
}

/** Reads up to the empty line; what follows it can be read from the returned stream. Undefined: closed before any byte. */
async function readHeadLines(stream: ByteStream): Promise<{ lines: string[]; rest: ByteStream } | undefined> {
  let buffer = Buffer.alloc(0);
  for (;;) {
    const end = buffer.indexOf('\r\n\r\n');
    if (end >= 0) return { lines: buffer.subarray(0, end).toString('latin1').split('\r\n'), rest: unread(stream, buffer.subarray(end + 4)) };
    if (buffer.length > maxHeadBytes) throw new HttpParseError('header too large');
    const bytes = await stream.read();
    if (!bytes) {
      if (!buffer.length) return undefined;
      throw new HttpParseError('connection closed within a header');
    }
    buffer = Buffer.concat([buffer, bytes]);
  }
}

export async function readResponseHead(stream: ByteStream): Promise<{ head: ResponseHead; rest: ByteStream }> {
  const read = await readHeadLines(stream);
  if (!read) throw new HttpParseError('connection closed before the reply');
  const match = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(read.lines[0] ?? '');
  if (!match) throw new HttpParseError(`malformed status line ${JSON.stringify(read.lines[0])}`);
  return { head: { status: Number(match[1]), reason: match[2] ?? '', headers: parseFields(read.lines.slice(1)) }, rest: read.rest };
}

/** The next request on a connection, or undefined when the client closed it. */
export async function readRequestHead(stream: ByteStream): Promise<{ head: RequestHead; rest: ByteStream } | undefined> {
  const read = await readHeadLines(stream);
  if (!read) return undefined;
  const match = /^([A-Z]+) (\S+) HTTP\/1\.([01])$/.exec(read.lines[0] ?? '');
  if (!match) throw new HttpParseError(`malformed request line ${JSON.stringify(read.lines[0])}`);
  return { head: { method: match[1] ?? '', target: match[2] ?? '', headers: parseFields(read.lines.slice(1)), version: match[3] === '0' ? '1.0' : '1.1' }, rest: read.rest };
}
