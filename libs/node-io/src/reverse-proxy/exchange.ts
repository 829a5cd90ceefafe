import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Attempt, ForwardPlan, ProxiedRequest } from './contract.ts';
import type { Endpoint } from '@orrery/vnet';
import { type BackendPool, ConnectTimeout } from './backend-pool.ts';
import { requestHeaders, responseHeaders } from './head.ts';

/** Bodies up to this size are held until a backend has answered, so that another can be asked. */
const heldBytes = 64 * 1024;

/** A request's body: in hand, or still to come. */
export type Body = { readonly bytes: Buffer } | { readonly stream: IncomingMessage; readonly limit: number };

export class BodyTooBig extends Error {}

/** Reads what is small enough to be sent twice. Rejects with BodyTooBig. */
export async function bodyOf(message: IncomingMessage, limit: number): Promise<Body> {
  const length = Number(message.headers['content-length'] ?? Number.NaN);
  const chunked = message.headers['transfer-encoding'] !== undefined || (message.httpVersionMajor === 2 && Number.isNaN(length) && message.method !== 'GET' && message.method !== 'HEAD');
  if (limit > 0 && length > limit) throw new BodyTooBig();
  if (!chunked && (Number.isNaN(length) || length === 0)) return { bytes: Buffer.alloc(0) };
  if (chunked || length > heldBytes) return { stream: message, limit };
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return { bytes: Buffer.concat(chunks) };
}

export type Failure = 'error' | 'timeout' | 'too big' | 'client gone';

export interface Outcome {
  readonly attempt: Attempt;
  /** Undefined: a reply came and was sent on. */
  readonly failure: Failure | undefined;
  /** Nothing of the body has been taken: another backend may be asked. */
  readonly fresh: boolean;
  /** Status that was not sent on, because another backend should be asked or another answer given. */
  readonly held?: number;
}

export interface ExchangeInput {
  readonly pool: BackendPool;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly from: ProxiedRequest;
  readonly plan: ForwardPlan;
  readonly body: Body;
  readonly endpoint: Endpoint;
  /** From external authentication. */
  readonly authHeaders: Readonly<Record<string, string>>;
  /** Whether a reply with this status is sent on. */
  readonly passes: (status: number) => boolean;
}

/** Asks one backend over HTTP/1.1 and sends its reply on. Never rejects. */
export function exchangeOnce(input: ExchangeInput): Promise<Outcome> {
  const { pool, message, response, from, plan, body, endpoint, authHeaders, passes } = input;
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1000;
  return new Promise((resolve) => {
    let connectSeconds = 0;
    let attempt: Attempt | undefined;
    let taken = false;
    let timer: NodeJS.Timeout | undefined;
    const make = (status: number): Attempt => (attempt ??= { endpoint, status, connectSeconds, headerSeconds: status ? since() : 0, seconds: since(), bytes: 0 });
    const finish = (failure: Failure | undefined, held?: number): void => {
      clearTimeout(timer);
      const made = make(0);
      made.seconds = since();
      resolve({ attempt: made, failure, fresh: !taken, ...(held === undefined ? {} : { held }) });
    };
    const length: Record<string, string> = 'bytes' in body && body.bytes.length ? { 'content-length': String(body.bytes.length) } : {};
    const headers = { ...requestHeaders(message.headers, plan, authHeaders), ...length };
    const upstream = pool.request(endpoint, plan, { method: from.method, path: plan.target, headers, reuse: 'bytes' in body });
    const idle = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => upstream.destroy(Object.assign(new Error('backend is silent'), { late: true })), ms);
    };
    const clientGone = (): void => void upstream.destroy(Object.assign(new Error('client went away'), { gone: true }));
    response.once('close', clientGone);
    upstream.once('socket', () => {
      connectSeconds = since();
      idle(plan.readTimeoutMs);
      if ('bytes' in body) return;
      taken = true;
      stream(body, upstream, () => idle(plan.sendTimeoutMs));
    });
    upstream.on('response', (reply) => {
      const status = reply.statusCode ?? 502;
      const made = make(status);
      if (!passes(status)) {
        reply.resume();
        response.off('close', clientGone);
        return finish(undefined, status);
      }
      const seen = (chunk: Buffer): void => {
        made.bytes += chunk.length;
        idle(plan.readTimeoutMs);
      };
      reply.on('data', seen);
      response.writeHead(status, responseHeaders(reply.headers, plan));
      reply.pipe(response);
      reply.on('aborted', () => response.destroy());
      response.off('close', clientGone);
      response.once('close', () => {
        if (!reply.complete) upstream.destroy();
        finish(undefined);
      });
    });
    upstream.on('error', (error: Error & { late?: boolean; gone?: boolean }) => {
      response.off('close', clientGone);
      if (response.headersSent) {
        response.destroy();
        return finish(undefined);
      }
      finish(error.gone ? 'client gone' : error instanceof BodyTooBig ? 'too big' : error.late || error instanceof ConnectTimeout ? 'timeout' : 'error');
    });
    if ('bytes' in body) upstream.end(body.bytes);
  });
}

/** Sends a body on as it comes, up to its limit. */
function stream({ stream: source, limit }: { stream: IncomingMessage; limit: number }, to: NodeJS.WritableStream & { destroy(error?: Error): unknown }, alive: () => void): void {
  let bytes = 0;
  source.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    alive();
    if (limit > 0 && bytes > limit) {
      source.unpipe(to);
      source.resume();
      to.destroy(new BodyTooBig());
    }
  });
  source.on('error', () => to.destroy());
  source.pipe(to);
}
