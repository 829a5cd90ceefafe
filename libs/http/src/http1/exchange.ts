import type { ByteStream } from '../byte-stream.ts';
import { chunk, lastChunk, readBody, responseFraming } from './body.ts';
import { type HeaderList, formatRequestHead, headerMap, readResponseHead } from './head.ts';

export interface ExchangeRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** With `Host`; without Content-Length, Transfer-Encoding and Connection, which are set here. */
  readonly headers: HeaderList;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface ExchangeReply {
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
  /** As it arrives; reading to the end, or returning early, closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

async function sendBody(conn: ByteStream, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const bytes of body) if (bytes.length) await conn.write(chunk(bytes));
  await conn.write(lastChunk);
}

/** One HTTP/1.1 request over a fresh connection, which it owns and closes. The reply may begin before the request's body has ended. */
export async function exchange(conn: ByteStream, request: ExchangeRequest): Promise<ExchangeReply> {
  try {
    const { body } = request;
    const framing: [string, string][] = body === undefined ? [] : body instanceof Uint8Array ? [['Content-Length', String(body.length)]] : [['Transfer-Encoding', 'chunked']];
    await conn.write(formatRequestHead({ ...request, headers: [...request.headers, ...framing, ['Connection', 'close']] }));
    if (body instanceof Uint8Array) await conn.write(body);
    const sending = body && !(body instanceof Uint8Array) ? sendBody(conn, body) : Promise.resolve();
    sending.catch((error: Error) => conn.close(error));
    let { head, rest } = await readResponseHead(conn);
    while (head.status >= 100 && head.status < 200) ({ head, rest } = await readResponseHead(rest));
    const reply = readBody(rest, responseFraming({ method: request.method, status: head.status, headers: headerMap(head.headers) }));
    return { ...head, body: closing(reply, conn) };
  } catch (error) {
    conn.close();
    throw error;
  }
}

async function* closing(body: AsyncGenerator<Uint8Array>, conn: ByteStream): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    conn.close();
  }
}
