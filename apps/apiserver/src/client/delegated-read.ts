import { type ObjectList, failureOf } from '@orrery/client';
import { serviceUnavailable } from '@orrery/errors';
import type { ByteSink, HttpRequest, HttpResponse } from '@orrery/node-io/http-server';
import { checkAllowed } from '../pipeline/access.ts';
import { type CallStart, beginCall, failCall, recorded } from '../pipeline/audited-call.ts';
import type { ApiServerCore } from '../server.ts';

/** A read that did not come over REST, of what another server behind an APIService has. */
export interface DelegatedRead extends CallStart {
  /** Parameters of the URL. */
  readonly query: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Aborts when the caller has gone. */
  readonly signal?: AbortSignal | undefined;
}

const timeoutMs = 60_000;

interface Collected {
  readonly response: HttpResponse;
  /** Resolves when the whole reply is there. */
  readonly reply: Promise<{ readonly status: number; readonly text: string }>;
}

/** Takes a reply as a client would. */
function collect(): Collected {
  let finish: (reply: { status: number; text: string }) => void;
  const reply = new Promise<{ status: number; text: string }>((resolve) => (finish = resolve));
  const sink = (status: number): ByteSink => {
    const parts: Uint8Array[] = [];
    let closed = false;
    return {
      write: (bytes) => parts.push(bytes) > 0,
      drained: () => Promise.resolve(),
      end() {
        closed = true;
        finish({ status, text: Buffer.concat(parts).toString('utf8') });
      },
      get closed() {
        return closed;
      },
    };
  };
  const response: HttpResponse = {
    send: (status, _headers, body = '') => finish({ status, text: typeof body === 'string' ? body : Buffer.from(body).toString('utf8') }),
    stream: (status) => sink(status),
    gzip: (body) => Promise.resolve(Buffer.from(body)),
  };
  return { response, reply };
}

/** A reply that breaks off never ends. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(serviceUnavailable(`error trying to reach service: ${(signal.reason as Error).message}`));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function queryString(query: DelegatedRead['query']): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return given.length ? `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()}` : '';
}

async function ask(core: ApiServerCore, read: DelegatedRead): Promise<unknown> {
  const { aggregation, registry } = core;
  const { user, info, signal } = read;
  const own = new AbortController();
  const late = registry.env.clock.after(timeoutMs, () => own.abort(new Error('context deadline exceeded')));
  const both = signal ? AbortSignal.any([signal, own.signal]) : own.signal;
  const { response, reply } = collect();
  const http: HttpRequest = {
    method: 'GET',
    url: `${info.path}${queryString(read.query)}`,
    headers: { accept: 'application/json', 'user-agent': read.userAgent },
    remoteAddress: read.sourceIps[0] ?? '127.0.0.1',
    secure: true,
    certificate: undefined,
    signal: both,
    body: () => Promise.resolve(Buffer.alloc(0)),
    async *bodyStream() {
      // A read has none.
    },
  };
  try {
    await aggregation?.serve({ http, response, signal: both, user, auditId: registry.env.random.uuid(), headers: {}, onStatus: () => undefined });
    const { status, text } = await unlessAborted(reply, both);
    if (status >= 400) throw failureOf(status, text, { method: 'GET', group: info.group, resource: info.resource, name: info.name });
    return JSON.parse(text);
  } finally {
    late.cancel();
  }
}

/** A list as a client hands it out. */
export function listOf<T>(body: unknown): ObjectList<T> {
  const { items, metadata = {} } = body as { items?: T[] | null; metadata?: { resourceVersion?: string; continue?: string } };
  return { items: items ?? [], resourceVersion: metadata.resourceVersion ?? '', ...(metadata.continue ? { continue: metadata.continue } : {}) };
}

/** Is what a request names another server's? Asked of what is not served here. */
export function isDelegated(core: ApiServerCore, { path }: DelegatedRead['info']): boolean {
  return core.aggregation?.serves(path) ?? false;
}

/** Passes an authorized read on and returns the JSON that came. Throws the other server's Status, or 503. */
export async function delegatedRead(core: ApiServerCore, read: DelegatedRead): Promise<unknown> {
  const { user, info } = read;
  const record = core.audit && (await beginCall(core.audit, core.registry.env, read));
  try {
    await checkAllowed(core.access, { user, info, ...(record ? { annotate: record.annotate } : {}) });
  } catch (error) {
    failCall(record?.trail, error);
    throw error;
  }
  return recorded(record?.trail, () => ask(core, read), () => ({ code: 200 }));
}
