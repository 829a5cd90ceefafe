import { type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders, constants } from 'node:http2';
import type { ServerResponse } from 'node:http';
import type { Attempt } from './contract.ts';
import { ConnectTimeout } from './backend-pool.ts';
import type { ExchangeInput, Outcome } from './exchange.ts';
import { requestHeaders, responseHeaders } from './head.ts';

/** Sends a reply of HTTP/2 on, trailers included: gRPC's status is in them. */
function sendOn(stream: ClientHttp2Stream, response: ServerResponse, input: { attempt: Attempt; headers: IncomingHttpHeaders; plan: ExchangeInput['plan']; alive: () => void }): void {
  const { attempt, headers, plan, alive } = input;
  response.writeHead(attempt.status, responseHeaders(headers, plan));
  stream.on('data', (chunk: Buffer) => {
    attempt.bytes += chunk.length;
    alive();
  });
  stream.on('trailers', (trailers) => response.addTrailers(Object.fromEntries(Object.entries(trailers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]))));
  stream.pipe(response);
}

/** Asks one backend over HTTP/2 (gRPC) and sends its reply on. Never rejects. */
export async function exchangeHttp2(input: ExchangeInput): Promise<Outcome> {
  const { pool, message, response, from, plan, endpoint, authHeaders } = input;
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1000;
  const failed = (error: unknown, fresh: boolean): Outcome => ({
    attempt: { endpoint, status: 0, connectSeconds: 0, headerSeconds: 0, seconds: since(), bytes: 0 },
    failure: error instanceof ConnectTimeout ? 'timeout' : 'error',
    fresh,
  });
  let stream: ClientHttp2Stream;
  try {
    const session = await pool.session(endpoint, plan);
    const { host, connection: _connection, ...rest } = requestHeaders(message.headers, plan, authHeaders) as OutgoingHttpHeaders & { host?: string };
    const te = message.headers.te === undefined ? {} : { te: 'trailers' };
    stream = session.request({ ...rest, ...te, ':method': from.method, ':path': plan.target, ':scheme': plan.protocol === 'GRPCS' ? 'https' : 'http', ':authority': host ?? from.host });
  } catch (error) {
    return failed(error, true);
  }
  const connectSeconds = since();
  return new Promise((resolve) => {
    let attempt: Attempt | undefined;
    let timer: NodeJS.Timeout | undefined;
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), plan.readTimeoutMs);
    };
    const end = (): void => {
      clearTimeout(timer);
      if (!attempt) return resolve(failed(new Error('no reply'), false));
      attempt.seconds = since();
      resolve({ attempt, failure: undefined, fresh: false });
    };
    alive();
    stream.on('response', (headers) => {
      attempt = { endpoint, status: Number(headers[':status'] ?? 502), connectSeconds, headerSeconds: since(), seconds: since(), bytes: 0 };
      sendOn(stream, response, { attempt, headers, plan, alive });
    });
    stream.on('error', () => {
      if (response.headersSent) response.destroy();
    });
    stream.on('close', end);
    response.once('close', () => stream.close(constants.NGHTTP2_CANCEL));
    if ('bytes' in input.body) stream.end(input.body.bytes);
    else {
      input.body.stream.on('data', alive);
      input.body.stream.pipe(stream);
    }
  });
}
