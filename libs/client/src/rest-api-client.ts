import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { StatusError, serviceUnavailable, toStatusError } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import type { ApiClient, DeleteOptions, ListOptions, ObjectList, WatchEvent, WatchHandle, WatchOptions, WatchSink, WriteOptions } from './api-client.ts';
import type { HttpClient, HttpClientResponse } from './http-client.ts';
import { deletedObject, encodeJson, failureOf, typed } from './object-codec.ts';
import { type Query, restPath } from './rest-path.ts';
import { warnOnce } from './warnings.ts';

export interface RestApiClientOptions {
  readonly http: HttpClient;
  readonly env: Pick<Env, 'clock' | 'random' | 'log'> & Partial<Pick<Env, 'metrics'>>;
  /** The server's host and port, for metrics. */
  readonly host?: string;
  /** Bearer token; a function is asked before every request. */
  readonly token?: string | (() => string);
  readonly userAgent?: string;
}

/** How often a request is repeated because the server asked for it by Retry-After (as client-go does). */
const maxRetries = 10;

interface Call {
  readonly method: string;
  readonly resource: ResourceRef;
  readonly at: { readonly namespace?: string | undefined; readonly name?: string | undefined; readonly subresource?: string | undefined };
  readonly query?: Query;
  readonly body?: Uint8Array;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  readonly streaming?: boolean;
}

const writeQuery = (o: WriteOptions = {}): Query => ({ fieldManager: o.fieldManager, fieldValidation: o.fieldValidation, dryRun: o.dryRun ? 'All' : undefined });

function deleteBody(options: DeleteOptions = {}): Uint8Array {
  const { dryRun, ...rest } = options;
  return encodeJson({ kind: 'DeleteOptions', apiVersion: 'v1', ...rest, ...(dryRun ? { dryRun: ['All'] } : {}) });
}

/** Whole lines of a stream of bytes; an unfinished last line is dropped, as the connection broke in it. */
async function* lineBatches(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length) yield lines.filter((line) => line !== '');
  }
}

/** Hands lines of a watch on; the Status of an ERROR event if one came. */
function deliver<T extends KubeObject>(resource: ResourceRef<T>, lines: readonly string[], sink: WatchSink<T>): StatusError | undefined {
  const events: WatchEvent<T>[] = [];
  let failure: StatusError | undefined;
  for (const line of lines) {
    const event = JSON.parse(line) as { type: string; object: T };
    if (event.type === 'ERROR') {
      failure = failureOf(500, JSON.stringify(event.object));
      break;
    }
    events.push({ type: event.type as WatchEvent['type'], object: typed(resource, event.object) });
  }
  if (events.length) sink.events(events);
  return failure;
}

const secondsBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** client-go's counts of requests. */
function requestMetrics(metrics: Env['metrics'] | undefined, host: string): (request: { method: string; code: string; seconds: number }) => void {
  if (!metrics) return () => undefined;
  const total = metrics.counter('rest_client_requests_total', 'Number of HTTP requests, partitioned by status code, method, and host.');
  const duration = metrics.histogram('rest_client_request_duration_seconds', 'Request latency in seconds. Broken down by verb, and host.', secondsBuckets);
  return ({ method, code, seconds }) => {
    total.inc({ code, host, method });
    duration.observe(seconds, { host, verb: method });
  };
}

/** The API over Kubernetes' REST protocol, against any API server. */
export function createRestApiClient(options: RestApiClientOptions): ApiClient {
  const { http, token } = options;
  const { clock, log } = options.env;
  const warned = warnOnce(log);
  const finished = requestMetrics(options.env.metrics, options.host ?? '');
  let closed = false;

  const send = async (call: Call): Promise<HttpClientResponse> => {
    if (closed) throw serviceUnavailable('the client is closed');
    const bearer = typeof token === 'function' ? token() : token;
    const headers = {
      accept: 'application/json',
      'user-agent': options.userAgent ?? 'orrery',
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      ...(call.body ? { 'content-type': call.contentType ?? 'application/json', 'content-length': String(call.body.length) } : {}),
    };
    const { method, resource, at, query, body, signal, streaming } = call;
    const path = restPath(resource, at, query);
    const from = clock.monotonic();
    const tell = (code: string): void => finished({ method, code, seconds: (clock.monotonic() - from) / 1000 });
    try {
      const response = await http.request({ method, path, headers, ...(body ? { body } : {}), ...(signal ? { signal } : {}), ...(streaming ? { streaming } : {}) });
      tell(String(response.status));
      return response;
    } catch (error) {
      tell('<error>');
      throw serviceUnavailable(`the API server cannot be reached: ${(error as Error).message}`);
    }
  };
  const accepted = async (call: Call): Promise<HttpClientResponse> => {
    for (let retries = 0; ; retries++) {
      const response = await send(call);
      const { warning, 'retry-after': retryAfter, 'content-type': contentType } = response.headers;
      if (warning) warned(warning);
      if (response.status >= 200 && response.status <= 206) return response;
      const { method, resource, at } = call;
      const retryAfterSeconds = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : 0;
      const failure = failureOf(response.status, await response.text(), { method, group: resource.group, resource: resource.resource, name: at.name, contentType, retryAfterSeconds });
      const retry = retryAfter !== undefined && (response.status === 429 || response.status >= 500) && retries < maxRetries;
      if (!retry) throw failure;
      await clock.sleep(Math.min(30, Number(retryAfter) || 1) * 1000, call.signal);
    }
  };
  const json = async <R>(call: Call): Promise<R> => {
    const text = await (await accepted(call)).text().catch((error: Error) => {
      throw serviceUnavailable(`the answer broke off: ${error.message}`);
    });
    return JSON.parse(text) as R;
  };
  const watch = <T extends KubeObject>(resource: ResourceRef<T>, o: WatchOptions, sink: WatchSink<T>): WatchHandle => {
    const abort = new AbortController();
    const query = {
      watch: 'true',
      labelSelector: o.labelSelector,
      fieldSelector: o.fieldSelector,
      resourceVersion: o.resourceVersion,
      allowWatchBookmarks: o.allowWatchBookmarks,
      timeoutSeconds: o.timeoutSeconds,
      ...(o.sendInitialEvents ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } : {}),
    };
    const follow = async (): Promise<void> => {
      try {
        const response = await accepted({ method: 'GET', resource, at: { namespace: o.namespace }, query, signal: abort.signal, streaming: true });
        for await (const lines of lineBatches(response.chunks())) {
          if (abort.signal.aborted) return;
          const failure = deliver(resource, lines, sink);
          if (!failure) continue;
          abort.abort();
          return sink.closed(failure);
        }
        if (!abort.signal.aborted) sink.closed();
      } catch (error) {
        if (abort.signal.aborted) return;
        sink.closed(error instanceof StatusError ? error : serviceUnavailable(`watch broke off: ${(error as Error).message}`));
      }
    };
    void follow().catch((error: unknown) => log.error('watch failed', { error: toStatusError(error).message }));
    return { stop: () => abort.abort() };
  };
  const list = async <T extends KubeObject>(resource: ResourceRef<T>, o: ListOptions): Promise<ObjectList<T>> => {
    const { namespace, ...query } = o;
    const { items, metadata } = await json<{ items?: T[] | null; metadata?: { resourceVersion?: string; continue?: string; remainingItemCount?: number } }>({
      method: 'GET',
      resource,
      at: { namespace },
      query: { ...query },
    });
    const { resourceVersion = '', continue: next, remainingItemCount } = metadata ?? {};
    return {
      items: (items ?? []).map((item) => typed(resource, item)),
      resourceVersion,
      ...(next ? { continue: next } : {}),
      ...(remainingItemCount === undefined ? {} : { remainingItemCount }),
    };
  };
  return {
    get: async (resource, key, o = {}) => typed(resource, await json({ method: 'GET', resource, at: { ...key, subresource: o.subresource }, query: { resourceVersion: o.resourceVersion, ...o.parameters } })),
    list: (resource, o = {}) => list(resource, o),
    watch,
    async create(resource, object, o = {}) {
      const { namespace, name } = object.metadata ?? {};
      const at = { namespace, ...(o.subresource ? { name, subresource: o.subresource } : {}) };
      return typed(resource, await json({ method: 'POST', resource, at, query: writeQuery(o), body: encodeJson(typed(resource, { ...object })) }));
    },
    createSubresource: (resource, key, subresource, body) => json({ method: 'POST', resource, at: { ...key, subresource }, body: encodeJson(body) }),
    async update(resource, object, o = {}) {
      const { namespace, name } = object.metadata ?? {};
      const at = { namespace, name, subresource: o.subresource };
      return typed(resource, await json({ method: 'PUT', resource, at, query: writeQuery(o), body: encodeJson(typed(resource, { ...object })) }));
    },
    async patch(resource, key, patch, o) {
      const at = { ...key, subresource: o.subresource };
      return typed(resource, await json({ method: 'PATCH', resource, at, query: { ...writeQuery(o), force: o.force }, body: encodeJson(patch), contentType: o.type }));
    },
    delete: async (resource, key, o) => deletedObject(resource, await json({ method: 'DELETE', resource, at: key, body: deleteBody(o) })),
    async deleteCollection(resource, selection, o) {
      const { namespace, ...query } = selection;
      await json({ method: 'DELETE', resource, at: { namespace }, query: { ...query }, body: deleteBody(o) });
    },
    async close() {
      closed = true;
      http.close();
    },
  };
}
