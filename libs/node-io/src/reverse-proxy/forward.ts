import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Attempt, ForwardPlan, ProxiedRequest } from './contract.ts';
import type { BackendPool } from './backend-pool.ts';
import { type Body, BodyTooBig, type Outcome, bodyOf, exchangeOnce } from './exchange.ts';
import { exchangeHttp2 } from './exchange-http2.ts';
import { type Ways, ask } from './external.ts';

const texts: Readonly<Record<number, string>> = { 401: '401 Authorization Required', 403: '403 Forbidden', 413: '413 Request Entity Too Large', 500: '500 Internal Server Error', 502: '502 Bad Gateway', 504: '504 Gateway Time-out' };

/** Answers by itself; returns the status. */
export function answer(response: ServerResponse, status: number, options: { body?: string; headers?: Readonly<Record<string, string>> } = {}): number {
  const body = options.body ?? texts[status] ?? '';
  if (response.headersSent || response.destroyed) return status;
  const typed: Record<string, string> = body ? { 'content-type': 'text/plain; charset=utf-8' } : {};
  response.writeHead(status, { ...typed, ...(status === 204 ? {} : { 'content-length': Buffer.byteLength(body) }), ...options.headers });
  response.end(body);
  return status;
}

export interface ForwardInput {
  readonly pool: BackendPool;
  readonly ways: Ways;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly from: ProxiedRequest;
  readonly plan: ForwardPlan;
}

export interface Forwarded {
  /** Of the reply the client got; 499: it had gone. */
  readonly status: number;
  readonly attempts: readonly Attempt[];
  /** A status that was not sent on: the plan gives another answer. */
  readonly held?: number;
}

/** Asks who decides about the request elsewhere; a status when it is not let in. */
export async function authenticate({ ways, response, plan }: Pick<ForwardInput, 'ways' | 'response' | 'plan'>): Promise<{ headers: Record<string, string> } | { refused: number }> {
  const { auth } = plan;
  if (!auth) return { headers: {} };
  const reply = await ask(auth.url, auth, ways).catch(() => undefined);
  if (!reply || (reply.status !== 401 && reply.status !== 403 && (reply.status < 200 || reply.status > 299))) return { refused: answer(response, 500) };
  if (reply.status === 401 && auth.signIn) return { refused: answer(response, 302, { headers: { location: auth.signIn } }) };
  if (reply.status >= 400) {
    const challenge = reply.headers['www-authenticate'];
    return { refused: answer(response, reply.status, challenge ? { headers: { 'www-authenticate': challenge } } : {}) };
  }
  return { headers: Object.fromEntries(auth.responseHeaders.map((name) => [name, [reply.headers[name] ?? ''].flat().join(', ')])) };
}

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'PROPFIND']);

/** Whether what happened is one of the conditions to ask another backend. */
function mayRetry({ plan, from }: Pick<ForwardInput, 'plan' | 'from'>, outcome: Outcome, sent: boolean): boolean {
  const { retryOn } = plan;
  if (retryOn.has('off') || !outcome.fresh) return false;
  if (sent && !idempotent.has(from.method) && !retryOn.has('non_idempotent')) return false;
  if (outcome.held !== undefined) return retryOn.has(`http_${outcome.held}`);
  return (outcome.failure === 'error' && retryOn.has('error')) || (outcome.failure === 'timeout' && retryOn.has('timeout'));
}

async function tryAll(input: ForwardInput, body: Body, authHeaders: Record<string, string>): Promise<Forwarded> {
  const { plan, response } = input;
  const began = performance.now();
  const attempts: Attempt[] = [];
  const most = plan.tries > 0 ? plan.tries : Number.POSITIVE_INFINITY;
  const grpc = plan.protocol === 'GRPC' || plan.protocol === 'GRPCS';
  for (let i = 0; ; i++) {
    const endpoint = plan.endpoints[i % plan.endpoints.length];
    if (!endpoint) return { status: answer(response, 502), attempts };
    const last = i + 1 >= most || i + 1 >= Math.max(plan.endpoints.length, 2) || (plan.retryTimeoutMs > 0 && performance.now() - began > plan.retryTimeoutMs);
    const passes = (status: number): boolean => (last || !plan.retryOn.has(`http_${status}`)) && !plan.instead?.(status);
    const exchange = { ...input, body, endpoint, authHeaders, passes };
    const outcome = await (grpc ? exchangeHttp2(exchange) : exchangeOnce(exchange));
    attempts.push(outcome.attempt);
    if (outcome.failure === undefined && outcome.held === undefined) return { status: outcome.attempt.status, attempts };
    if (outcome.failure === 'client gone') return { status: 499, attempts };
    if (outcome.failure === 'too big') return { status: answer(response, 413), attempts };
    if (outcome.failure !== undefined) plan.failed?.(endpoint);
    if (!last && mayRetry(input, outcome, outcome.attempt.connectSeconds > 0)) continue;
    if (outcome.held !== undefined) return { status: outcome.held, attempts, held: outcome.held };
    const status = outcome.failure === 'timeout' ? 504 : 502;
    return plan.instead?.(status) ? { status, attempts, held: status } : { status: answer(response, status), attempts };
  }
}

/** Sends one request on and its reply back, by the plan. Never rejects. */
export async function forward(input: ForwardInput): Promise<Forwarded> {
  const { message, response, plan, ways, from } = input;
  const auth = await authenticate(input);
  if ('refused' in auth) return { status: auth.refused, attempts: [] };
  try {
    const body = await bodyOf(message, plan.bodyLimit);
    if (plan.mirror) {
      const copy = plan.mirror.body && 'bytes' in body ? { body: body.bytes } : {};
      const headers = Object.fromEntries(Object.entries(plan.setHeaders).filter(([name, value]) => value !== '' && name !== 'host'));
      // Nobody waits for it, and what it says is not heard.
      ask(plan.mirror.url, { method: from.method, headers, ...copy }, ways).catch(() => undefined);
    }
    return await tryAll(input, body, auth.headers);
  } catch (error) {
    return { status: answer(response, error instanceof BodyTooBig ? 413 : 400), attempts: [] };
  }
}
