import { type HttpClientResponse, failureOf } from '@orrery/client';
import { createHttpClient } from '@orrery/node-io/http-client';
import { inClusterAccess, loadKubeconfig } from '@orrery/node-io/kubeconfig';
import { type Env, timeoutSignal } from '@orrery/runtime';

const retryDelaysMs = [500, 750, 1125, 1687];
const attemptTimeoutMs = 30_000;

/** How a webhook that answers reviews is reached: a kubeconfig file, or the API of the cluster this process runs in. */
export interface WebhookTarget {
  readonly kubeconfig?: string;
  readonly timeoutMs?: number;
}

/** Posts a review and brings back the object answered. Rejects with an error that says why there is none. */
export type PostReview = (body: object) => Promise<Record<string, unknown>>;

class TransientFailure extends Error {}

async function answerOf(response: HttpClientResponse): Promise<Record<string, unknown>> {
  const text = await response.text();
  const { status } = response;
  if (status < 200 || status > 299) {
    const { message } = failureOf(status, text, { method: 'POST', contentType: response.headers['content-type'] });
    throw status === 429 || status >= 500 ? new TransientFailure(message) : new Error(message);
  }
  const body = JSON.parse(text) as unknown;
  if (typeof body !== 'object' || body === null) throw new Error('the answer is no object');
  return body as Record<string, unknown>;
}

const transientCodes = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT']);

function isTransient(error: unknown): boolean {
  return error instanceof TransientFailure || transientCodes.has(String((error as { code?: unknown }).code));
}

/** Failures of the moment are tried again four times, as upstream does. Throws ConfigError for a kubeconfig that is no good. */
export function reviewWebhook(env: Env, target: WebhookTarget): PostReview {
  const access = target.kubeconfig ? loadKubeconfig(target.kubeconfig) : inClusterAccess();
  const { server, ca, cert, key, serverName, insecureSkipTlsVerify, token } = access;
  const client = createHttpClient({
    server: new URL(server).origin,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(serverName ? { serverName } : {}),
    ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
  });
  const { pathname, search } = new URL(server);
  const attempt = async (body: object): Promise<Record<string, unknown>> => {
    const over = new AbortController();
    const signal = timeoutSignal(env.clock, target.timeoutMs ?? attemptTimeoutMs, over.signal);
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...(token ? { authorization: `Bearer ${token()}` } : {}) };
    try {
      return await answerOf(await client.request({ method: 'POST', path: pathname + search, headers, body: Buffer.from(JSON.stringify(body)), signal }));
    } finally {
      over.abort();
    }
  };
  return async (body) => {
    for (const delayMs of retryDelaysMs) {
      try {
        return await attempt(body);
      } catch (error) {
        if (!isTransient(error)) throw error;
        await env.clock.sleep(delayMs);
      }
    }
    return attempt(body);
  };
}
