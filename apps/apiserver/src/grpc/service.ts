import { statusToRpcError } from '@orrery/client';
import { serviceUnavailable, toStatusError } from '@orrery/errors';
import { type GetRequest, type ListChunk, type ListRequest, type ObjectReply, ResourcesDefinition, type WatchBatch, type WatchRequest, type WriteReply, type WriteRequest } from '@orrery/proto/api';
import { AsyncQueue, type CallContext, type ServedService, service } from '@orrery/rpc';
import type { Frame } from '../cache/frame.ts';
import { listBytes } from '../http/object-bytes.ts';
import { failCall, recorded } from '../pipeline/audited-call.ts';
import { get } from '../registry/get.ts';
import { list } from '../registry/list.ts';
import { getSubresource } from '../registry/subresources/index.ts';
import { type WatchHandle, type WatchSink, watch } from '../registry/watch.ts';
import type { ApiServerCore } from '../server.ts';
import { listOf } from '../client/delegated-read.ts';
import { callScope, callUser, delegatedCall } from './call-scope.ts';
import { inTurn } from './turn.ts';
import { answerWrite } from './write.ts';

/** Items of one chunk of a list. */
const chunkItems = 500;
/** Batches a slow client may owe before its watch is ended; it resumes from its last revision. */
const maxBacklog = 10_000;

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '' && value !== 0);
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** What the size of an answer is estimated by. */
function sizeQuery(options: object): URLSearchParams {
  return new URLSearchParams(Object.entries(options).map(([name, value]): [string, string] => [name, String(value)]));
}

async function serveGet(core: ApiServerCore, request: GetRequest, context: CallContext): Promise<ObjectReply> {
  const user = await callUser(core, context);
  const elsewhere = delegatedCall(core, { user, resource: request.resource, verb: 'get', context }, request.parameters ?? {});
  if (elsewhere) return { object: Buffer.from(JSON.stringify(await elsewhere)) };
  const { scope } = await callScope(core, { user, resource: request.resource, verb: 'get', context, signal: context.signal });
  const read = async (): Promise<Buffer> =>
    scope.info.subresource === 'scale' ? Buffer.from(JSON.stringify(await getSubresource(core.registry, scope))) : (await get(core.registry, scope, request.resourceVersion ?? '')).bytes;
  return { object: await recorded(scope.audit, () => inTurn(core, scope, read), (body) => ({ code: 200, body })) };
}

async function* serveList(core: ApiServerCore, request: ListRequest, context: CallContext): AsyncIterable<ListChunk> {
  const user = await callUser(core, context);
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch, continueToken } = request;
  const options = defined({ labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch, continue: continueToken });
  const elsewhere = delegatedCall(core, { user, resource: request.resource, verb: 'list', context }, options);
  if (elsewhere) {
    const listed = listOf<object>(await elsewhere);
    yield { items: listed.items.map((item) => Buffer.from(JSON.stringify(item))), resourceVersion: listed.resourceVersion, continueToken: listed.continue ?? '' };
    return;
  }
  const { scope } = await callScope(core, { user, resource: request.resource, verb: 'list', context, selectors: request, signal: context.signal });
  const result = await recorded(scope.audit, () => inTurn(core, scope, () => list(core.registry, scope, options), sizeQuery(options)), (listed) => ({ code: 200, body: scope.audit?.wantsResponse ? listBytes(scope.kind, listed, { encoding: 'json' }) : undefined }));
  const { entries } = result;
  for (let i = 0; i + chunkItems < entries.length; i += chunkItems) yield { items: entries.slice(i, i + chunkItems).map((entry) => entry.bytes) };
  const rest = entries.length ? Math.floor((entries.length - 1) / chunkItems) * chunkItems : 0;
  yield {
    items: entries.slice(rest).map((entry) => entry.bytes),
    resourceVersion: String(result.resourceVersion),
    continueToken: result.continue ?? '',
    remainingItemCount: result.remainingItemCount ?? 0,
  };
}

function toEvents(batch: readonly Frame[]): WatchBatch {
  return { events: batch.map((frame) => ({ type: frame.type, object: frame.entry.bytes })) };
}

async function* serveWatch(core: ApiServerCore, request: WatchRequest, context: CallContext): AsyncIterable<WatchBatch> {
  if (core.traffic.isDraining) throw serviceUnavailable('the API server is stopping');
  const user = await callUser(core, context);
  const { scope } = await callScope(core, { user, resource: request.resource, verb: 'watch', context, selectors: request, signal: context.signal });
  const { labelSelector, fieldSelector, resourceVersion, timeoutSeconds, allowBookmarks } = request;
  const initial = request.sendInitialEvents ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' } : {};
  const options = { ...defined({ labelSelector, fieldSelector, resourceVersion, timeoutSeconds }), ...initial, allowWatchBookmarks: allowBookmarks ?? false };
  const queue = new AsyncQueue<WatchBatch>();
  const sink: WatchSink = {
    frames(batch) {
      if (queue.size > maxBacklog) queue.end();
      else queue.push(toEvents(batch));
    },
    closed(error) {
      if (error) queue.push({ events: [{ type: 'ERROR', object: Buffer.from(JSON.stringify(error.status)) }] });
      queue.end();
    },
  };
  const begin = (): Promise<WatchHandle> => inTurn(core, scope, () => watch(core.registry, scope, options, sink), sizeQuery(options));
  const handle = await begin().catch((error: unknown) => {
    failCall(scope.audit, error);
    throw error;
  });
  const over = core.flowControl?.watching(scope.info, fieldSelector ?? '');
  scope.audit?.started(200);
  const stop = (): void => queue.end();
  const ended = core.traffic.begin({ cancel: stop }, true);
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    yield* queue;
  } finally {
    context.signal.removeEventListener('abort', stop);
    handle.stop();
    ended();
    over?.();
    scope.audit?.completed(200);
  }
}

async function* serveWrites(core: ApiServerCore, requests: AsyncIterable<WriteRequest>, context: CallContext): AsyncIterable<WriteReply> {
  const user = await callUser(core, context);
  const replies = new AsyncQueue<WriteReply>();
  const read = async (): Promise<void> => {
    const open = new Set<Promise<void>>();
    for await (const request of requests) {
      const answer: Promise<void> = answerWrite(core, { user, context, request }).then((reply) => {
        replies.push(reply);
        open.delete(answer);
      });
      open.add(answer);
    }
    await Promise.all(open);
  };
  read().then(
    () => replies.end(),
    (error: unknown) => replies.end(error),
  );
  yield* replies;
}

const uncancellable = { cancel: (): void => undefined };

/** A stopping server finishes what has begun, and begins nothing more. */
function beginCall(core: ApiServerCore): () => void {
  if (core.traffic.isDraining) throw serviceUnavailable('the API server is stopping');
  return core.traffic.begin(uncancellable, false);
}

async function failing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw statusToRpcError(toStatusError(error));
  }
}

async function counted<T>(core: ApiServerCore, run: () => Promise<T>): Promise<T> {
  const end = beginCall(core);
  try {
    return await run();
  } finally {
    end();
  }
}

async function* countedStream<T>(core: ApiServerCore, stream: AsyncIterable<T>): AsyncIterable<T> {
  const end = beginCall(core);
  try {
    yield* stream;
  } finally {
    end();
  }
}

async function* failingStream<T>(stream: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* stream;
  } catch (error) {
    throw statusToRpcError(toStatusError(error));
  }
}

/** `orrery.api.v1.Resources`: the second front end of the pipeline. */
export function resourcesService(core: ApiServerCore): ServedService {
  return service(ResourcesDefinition, {
    get: (request, context) => failing(() => counted(core, () => serveGet(core, request, context))),
    list: (request, context) => failingStream(countedStream(core, serveList(core, request, context))),
    watch: (request, context) => failingStream(serveWatch(core, request, context)),
    write: (requests, context) => failingStream(serveWrites(core, requests, context)),
  });
}
