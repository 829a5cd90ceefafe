import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { StatusError } from '@orrery/errors';
import { type Resource, type WatchBatch, type WriteReply, type WriteRequest, ResourcesDefinition } from '@orrery/proto/api';
import { type Channel, createClient } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { ApiClient, DeleteOptions, ListOptions, ObjectList, WatchHandle, WatchOptions, WatchSink, WriteOptions } from './api-client.ts';
import { createWriteStream } from './grpc-write-stream.ts';
import { decodeObject, deletedObject, encodeJson, failureOf } from './object-codec.ts';
import { rpcErrorToStatus } from './rpc-status.ts';
import { userAgentKey } from './user-agent.ts';
import { warnOnce } from './warnings.ts';

export interface GrpcApiClientOptions {
  readonly env: Pick<Env, 'clock' | 'random' | 'log'>;
  /** How often a read is tried when the server cannot be reached. Default 4. */
  readonly readAttempts?: number;
  /** Bearer token, asked for at the start of every call, for those who show no client certificate. */
  readonly token?: () => string;
  /** `userAgentOf` the program. Without it the API server calls the manager of fields by the user's name. */
  readonly userAgent?: string;
}

const firstRetryMs = 50;
/** Tries of what the server turns away for lack of capacity, as client-go's. */
const throttledAttempts = 10;

/** How long a server that is too busy asks to be left alone; undefined for other failures. What was turned away was not begun. */
function retryAfterMs({ code, status }: StatusError): number | undefined {
  const seconds = status.details?.retryAfterSeconds;
  return code === 429 && seconds ? seconds * 1000 : undefined;
}

function place(resource: ResourceRef, key: { namespace?: string; name?: string }, subresource?: string): Resource {
  return { group: resource.group, version: resource.version, resource: resource.resource, namespace: key.namespace ?? '', name: key.name ?? '', subresource: subresource ?? '' };
}

function deleteBody(options: DeleteOptions = {}): Buffer {
  const { dryRun, ...rest } = options;
  return encodeJson({ kind: 'DeleteOptions', apiVersion: 'v1', ...rest, ...(dryRun ? { dryRun: ['All'] } : {}) });
}

function writeFields(options: WriteOptions = {}): Partial<WriteRequest> {
  return { fieldManager: options.fieldManager ?? '', dryRun: options.dryRun ?? false, fieldValidation: options.fieldValidation ?? '' };
}

/** Hands the events of a batch on. False when an ERROR event ended the watch. */
function deliver<T extends KubeObject>(resource: ResourceRef<T>, batch: WatchBatch, sink: WatchSink<T>): boolean {
  const events: { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: T }[] = [];
  let failure: StatusError | undefined;
  for (const { type = '', object } of batch.events ?? []) {
    if (type === 'ERROR') {
      failure = failureOf(500, (object ?? Buffer.alloc(0)).toString('utf8'));
      break;
    }
    events.push({ type: type as 'ADDED', object: decodeObject(resource, object) });
  }
  if (events.length) sink.events(events);
  if (failure) sink.closed(failure);
  return failure === undefined;
}

/**
 * The API over `orrery.api.v1`. What a busy server turns away (429) is tried again when it says. Reads are tried again with back-off while the server is away; writes are not, since one
 * that failed may have been done: they fail with 503. Watches end with 503 and are resumed by who holds them (informers do).
 */
export function createGrpcApiClient(channel: Channel, options: GrpcApiClientOptions): ApiClient {
  const { clock, random, log } = options.env;
  const rpc = createClient(ResourcesDefinition, channel);
  const agent: Readonly<Record<string, string>> = options.userAgent ? { [userAgentKey]: options.userAgent } : {};
  const metadata = (): Readonly<Record<string, string>> => ({ ...agent, ...(options.token ? { authorization: `Bearer ${options.token()}` } : {}) });
  const writes = createWriteStream(channel, { onWarning: warnOnce(log), metadata });
  const closing = new AbortController();

  const reading = async <R>(read: () => Promise<R>): Promise<R> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await read();
      } catch (thrown) {
        const error = rpcErrorToStatus(thrown);
        const waitMs = retryAfterMs(error);
        if (waitMs !== undefined && attempt < throttledAttempts && !closing.signal.aborted) {
          await clock.sleep(waitMs, closing.signal);
          continue;
        }
        if (error.code !== 503 || attempt >= (options.readAttempts ?? 4) || closing.signal.aborted) throw error;
        await clock.sleep(firstRetryMs * 2 ** (attempt - 1) * (0.5 + random.next()), closing.signal);
      }
    }
  };
  const write = async (request: Omit<WriteRequest, 'id'>): Promise<WriteReply> => {
    for (let attempt = 1; ; attempt++) {
      const reply = await writes.send(request);
      const code = reply.code ?? 0;
      if (code < 400) return reply;
      const failure = failureOf(code, (reply.body ?? Buffer.alloc(0)).toString('utf8'));
      const waitMs = retryAfterMs(failure);
      if (waitMs === undefined || attempt >= throttledAttempts || closing.signal.aborted) throw failure;
      await clock.sleep(waitMs, closing.signal);
    }
  };
  const list = async <T extends KubeObject>(resource: ResourceRef<T>, o: ListOptions): Promise<ObjectList<T>> => {
    const items: T[] = [];
    let last: { resourceVersion?: string | undefined; continueToken?: string | undefined; remainingItemCount?: number | undefined } = {};
    const request = {
      resource: place(resource, o),
      labelSelector: o.labelSelector ?? '',
      fieldSelector: o.fieldSelector ?? '',
      resourceVersion: o.resourceVersion ?? '',
      resourceVersionMatch: o.resourceVersionMatch ?? '',
      limit: o.limit ?? 0,
      continueToken: o.continue ?? '',
    };
    for await (const chunk of rpc.list(request, { signal: closing.signal, metadata: metadata() })) {
      for (const bytes of chunk.items ?? []) items.push(decodeObject(resource, bytes));
      last = chunk;
    }
    return {
      items,
      resourceVersion: last.resourceVersion ?? '',
      ...(last.continueToken ? { continue: last.continueToken } : {}),
      ...(last.remainingItemCount ? { remainingItemCount: last.remainingItemCount } : {}),
    };
  };
  const watch = <T extends KubeObject>(resource: ResourceRef<T>, o: WatchOptions, sink: WatchSink<T>): WatchHandle => {
    const abort = new AbortController();
    const request = {
      resource: place(resource, o),
      labelSelector: o.labelSelector ?? '',
      fieldSelector: o.fieldSelector ?? '',
      resourceVersion: o.resourceVersion ?? '',
      allowBookmarks: o.allowWatchBookmarks ?? false,
      timeoutSeconds: o.timeoutSeconds ?? 0,
      sendInitialEvents: o.sendInitialEvents ?? false,
    };
    const follow = async (): Promise<void> => {
      try {
        for await (const batch of rpc.watch(request, { signal: abort.signal, metadata: metadata() })) {
          if (abort.signal.aborted || !deliver(resource, batch, sink)) return;
        }
        if (!abort.signal.aborted) sink.closed();
      } catch (error) {
        if (!abort.signal.aborted) sink.closed(rpcErrorToStatus(error));
      }
    };
    void follow();
    return { stop: () => abort.abort() };
  };
  return {
    get: (resource, key, o = {}) =>
      reading(async () => {
        const reply = await rpc.get({ resource: place(resource, key, o.subresource), resourceVersion: o.resourceVersion ?? '', ...(o.parameters ? { parameters: { ...o.parameters } } : {}) }, { signal: closing.signal, metadata: metadata() });
        return decodeObject(resource, reply.object);
      }),
    list: (resource, o = {}) => reading(() => list(resource, o)),
    watch,
    async create(resource, object, o) {
      const { namespace, name } = object.metadata ?? {};
      const target = place(resource, { ...(namespace ? { namespace } : {}), ...(o?.subresource && name ? { name } : {}) }, o?.subresource);
      const reply = await write({ resource: target, verb: 'create', body: encodeJson(object), ...writeFields(o) });
      return decodeObject(resource, reply.body);
    },
    async createSubresource<R>(resource: ResourceRef, key: { namespace?: string; name: string }, subresource: string, body: unknown): Promise<R> {
      const reply = await write({ resource: place(resource, key, subresource), verb: 'create', body: encodeJson(body) });
      return JSON.parse((reply.body ?? Buffer.from('null')).toString('utf8')) as R;
    },
    async update(resource, object, o) {
      const reply = await write({ resource: place(resource, object.metadata ?? {}, o?.subresource), verb: 'update', body: encodeJson(object), ...writeFields(o) });
      return decodeObject(resource, reply.body);
    },
    async patch(resource, key, patch, o) {
      const request = { resource: place(resource, key, o.subresource), verb: 'patch', body: encodeJson(patch), contentType: o.type, force: o.force ?? false, ...writeFields(o) };
      return decodeObject(resource, (await write(request)).body);
    },
    async delete(resource, key, o) {
      const reply = await write({ resource: place(resource, key), verb: 'delete', body: deleteBody(o) });
      return deletedObject(resource, JSON.parse((reply.body ?? Buffer.from('{}')).toString('utf8')));
    },
    async deleteCollection(resource, selection, o) {
      const { labelSelector = '', fieldSelector = '' } = selection;
      await write({ resource: place(resource, selection), verb: 'deletecollection', body: deleteBody(o), labelSelector, fieldSelector });
    },
    async close() {
      closing.abort(new StatusError({ code: 503, reason: 'ServiceUnavailable', message: 'the client is closed' }));
      writes.close();
      channel.close();
    },
  };
}
