import type { HttpClient } from '@orrery/client';
import { type Clock, timeoutSignal } from '@orrery/runtime';
import type { AuditBackend, Recorded } from './backend.ts';

const attempts = 5;
const factor = 1.5;
const requestTimeoutMs = 30_000;

export interface WebhookOptions {
  /** Connected to the server of the kubeconfig. */
  readonly client: HttpClient;
  /** Path and query of the webhook. */
  readonly path: string;
  readonly token: (() => string) | undefined;
  readonly initialBackoffMs: number;
  readonly clock: Clock;
}

const listHead = Buffer.from('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[');
const listEnd = Buffer.from(']}');
const comma = Buffer.from(',');

function listOf(events: readonly Recorded[]): Buffer {
  return Buffer.concat([listHead, ...events.flatMap(({ json }, i) => (i ? [comma, json] : [json])), listEnd]);
}

/** Failures that another try may heal, as upstream's webhook client has it. */
function isTransient(status: number): boolean {
  return status === 429 || status >= 500;
}

/** Posts an EventList; tries again, with growing pauses, what failed for the moment. Rejects when the last try failed. */
export function webhookBackend(options: WebhookOptions): AuditBackend {
  const { client, path, token, initialBackoffMs, clock } = options;
  const over = new AbortController();

  const post = async (body: Buffer): Promise<{ failure: Error | undefined; transient: boolean }> => {
    const done = new AbortController();
    try {
      const authorization: Record<string, string> = token ? { authorization: `Bearer ${token()}` } : {};
      const headers = { 'content-type': 'application/json', 'content-length': String(body.length), 'user-agent': 'kube-apiserver', ...authorization };
      const reply = await client.request({ method: 'POST', path, headers, body, signal: timeoutSignal(clock, requestTimeoutMs, done.signal) });
      const text = await reply.text();
      if (reply.status >= 200 && reply.status < 300) return { failure: undefined, transient: false };
      return { failure: new Error(`the audit webhook answered ${reply.status}: ${text.slice(0, 200)}`), transient: isTransient(reply.status) };
    } catch (error) {
      return { failure: error as Error, transient: true };
    } finally {
      done.abort();
    }
  };

  return {
    name: 'webhook',
    async process(events) {
      const body = listOf(events);
      let pauseMs = initialBackoffMs;
      for (let attempt = 1; ; attempt++) {
        const { failure, transient } = await post(body);
        if (!failure) return;
        if (!transient || attempt === attempts || over.signal.aborted) throw failure;
        await clock.sleep(pauseMs, over.signal).catch(() => undefined);
        pauseMs *= factor;
      }
    },
    async stop() {
      over.abort(new Error('the API server is stopping'));
      client.close();
    },
  };
}
