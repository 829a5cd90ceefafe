import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { toStatusError } from '@orrery/errors';
import { type Resource, type WatchBatch, type WriteReply, type WriteRequest, ResourcesDefinition } from '@orrery/proto/api';
import { AsyncQueue, type ServedService, service } from '@orrery/rpc';
import type { ApiClient, DeleteOptions, PatchType } from '../api-client.ts';
import { encodeJson } from '../object-codec.ts';
import { statusToRpcError } from '../rpc-status.ts';

function refOf(resource: Resource | undefined): ResourceRef {
  const { group = '', version = '', resource: name = '', namespace = '' } = resource ?? {};
  return { group, version, resource: name, kind: '', namespaced: namespace !== '' };
}

const keyOfPlace = ({ namespace, name }: Resource): { namespace?: string; name: string } => ({ ...(namespace ? { namespace } : {}), name: name ?? '' });

async function perform(api: ApiClient, request: WriteRequest): Promise<unknown> {
  const at = request.resource ?? {};
  const ref = refOf(at);
  const key = keyOfPlace(at);
  const body = JSON.parse((request.body ?? Buffer.from('{}')).toString('utf8')) as KubeObject;
  const options = at.subresource ? { subresource: at.subresource } : {};
  switch (request.verb) {
    case 'create':
      return at.subresource ? api.createSubresource(ref, key, at.subresource, body) : api.create(ref, body);
    case 'update':
      return api.update(ref, body, options);
    case 'patch':
      return api.patch(ref, key, body, { ...options, type: request.contentType as PatchType });
    case 'delete':
      return (await api.delete(ref, key, body as DeleteOptions)) ?? { kind: 'Status', status: 'Success' };
    case 'deletecollection':
      await api.deleteCollection(ref, { ...(at.namespace ? { namespace: at.namespace } : {}), ...(request.labelSelector ? { labelSelector: request.labelSelector } : {}) }, body as DeleteOptions);
      return { kind: 'Status', status: 'Success' };
    default:
      throw new Error(`unknown verb ${request.verb ?? ''}`);
  }
}

async function reply(api: ApiClient, request: WriteRequest): Promise<WriteReply> {
  const id = request.id ?? 0;
  try {
    return { id, code: 200, body: encodeJson(await perform(api, request)) };
  } catch (error) {
    const { status, code } = toStatusError(error);
    return { id, code, body: encodeJson(status) };
  }
}

async function* follow(api: ApiClient, request: { resource?: Resource | undefined; labelSelector?: string | undefined; resourceVersion?: string | undefined }, signal: AbortSignal): AsyncIterable<WatchBatch> {
  const queue = new AsyncQueue<WatchBatch>();
  const { namespace } = request.resource ?? {};
  const options = { ...(namespace ? { namespace } : {}), labelSelector: request.labelSelector ?? '', resourceVersion: request.resourceVersion ?? '' };
  const handle = api.watch(refOf(request.resource), options, {
    events: (batch) => queue.push({ events: batch.map(({ type, object }) => ({ type, object: encodeJson(object) })) }),
    closed(error) {
      if (error) queue.push({ events: [{ type: 'ERROR', object: encodeJson(error.status) }] });
      queue.end();
    },
  });
  signal.addEventListener('abort', () => queue.end(), { once: true });
  try {
    yield* queue;
  } finally {
    handle.stop();
  }
}

/** Serves any ApiClient as `orrery.api.v1`, without the authentication and checks of the API server: for tests of transports. */
export function serveApi(api: ApiClient): ServedService {
  return service(ResourcesDefinition, {
    async get({ resource = {} }) {
      try {
        return { object: encodeJson(await api.get(refOf(resource), keyOfPlace(resource))) };
      } catch (error) {
        throw statusToRpcError(toStatusError(error));
      }
    },
    async *list({ resource = {}, labelSelector = '' }) {
      const page = await api.list(refOf(resource), { ...(resource.namespace ? { namespace: resource.namespace } : {}), labelSelector });
      for (let i = 0; i < page.items.length; i += 2) yield { items: page.items.slice(i, i + 2).map(encodeJson) };
      yield { items: [], resourceVersion: page.resourceVersion };
    },
    watch: (request, { signal }) => follow(api, request, signal),
    async *write(requests) {
      const replies = new AsyncQueue<WriteReply>();
      const read = async (): Promise<void> => {
        const open: Promise<void>[] = [];
        for await (const request of requests) open.push(reply(api, request).then((answer) => replies.push(answer)));
        await Promise.all(open);
        replies.end();
      };
      void read();
      yield* replies;
    },
  });
}
