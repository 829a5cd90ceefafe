import { ConfigMaps } from '@orrery/api';
import type { ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, ThreadApi, type ThreadLink, createGrpcApiClient, createRestApiClient } from '@orrery/client';
import type { StatusError } from '@orrery/errors';
import { createHttpClient } from '@orrery/node-io';
import { type Channel, grpcChannel } from '@orrery/rpc';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, admin, startTestServer } from './test-server.ts';

let t: TestServer;
let channel: Channel;
let overGrpc: ApiClient;
let fromThread: ApiClient;
const { port1, port2 } = new MessageChannel();
const link = <In, Out>(port: MessagePort): ThreadLink<In, Out> => ({ post: (message, transfer = []) => port.postMessage(message, [...transfer]), receive: (use) => void port.on('message', use) });
let overRest: ApiClient;
beforeAll(async () => {
  t = await startTestServer();
  channel = grpcChannel(`127.0.0.1:${t.server.grpcPort}`);
  overGrpc = createGrpcApiClient(channel, { env: t.env });
  t.server.serveThread(link(port1), setImmediate);
  fromThread = new ThreadApi(link(port2), setImmediate).client({ ...admin, program: 'far' });
  overRest = createRestApiClient({ http: createHttpClient({ server: t.url }), env: t.env, host: new URL(t.url).host });
});
afterAll(async () => {
  await overGrpc.close();
  await overRest.close();
  channel.close();
  port1.close();
  await t.stop();
});

const failure = (promise: Promise<unknown>): Promise<StatusError> => promise.then(() => expect.unreachable('should fail'), (error: StatusError) => error);
const called = (resource: string): ResourceRef => ({ ...ConfigMaps, resource });
const widgets = called('widgets');
const metrics = { ...ConfigMaps, group: 'metrics.k8s.io', version: 'v1beta1', resource: 'pods' };
const key = { namespace: 'default', name: 'x' };
const object = { metadata: key };

const calls: readonly [string, (api: ApiClient, resource: ResourceRef) => Promise<unknown>, string][] = [
  ['get', (api, resource) => api.get(resource, key), 'get pods.metrics.k8s.io x'],
  ['list', (api, resource) => api.list(resource, { namespace: 'default' }), 'get pods.metrics.k8s.io'],
  ['watch', (api, resource) => new Promise((_, closed) => void api.watch(resource, {}, { events: () => undefined, closed })), 'get pods.metrics.k8s.io'],
  ['create', (api, resource) => api.create(resource, object), 'post pods.metrics.k8s.io'],
  ['update', (api, resource) => api.update(resource, object), 'put pods.metrics.k8s.io x'],
  ['patch', (api, resource) => api.patch(resource, key, {}, { type: 'application/merge-patch+json' }), 'patch pods.metrics.k8s.io x'],
  ['delete', (api, resource) => api.delete(resource, key), 'delete pods.metrics.k8s.io x'],
];

/** All who do not come over REST. */
const others = (): readonly ApiClient[] => [overGrpc, t.api, fromThread];

describe.each(calls)('%s of a resource that is not served', (_verb, call, what) => {
  it('in a built-in group has the same Status for all clients', async () => {
    const { status } = await failure(call(overRest, widgets));
    expect(status).toEqual({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'the server could not find the requested resource', reason: 'NotFound', details: {}, code: 404 });
    for (const api of others()) expect((await failure(call(api, widgets))).status).toEqual(status);
  });

  it('in a group that is not served is for all clients what client-go makes of the page that REST answers', async () => {
    const name = what.endsWith(' x') ? { name: 'x' } : {};
    for (const api of [overRest, ...others()]) {
      const { status } = await failure(call(api, metrics));
      expect(status).toMatchObject({ code: 404, reason: 'NotFound', message: `the server could not find the requested resource (${what})` });
      expect(status.details).toEqual({ ...name, group: 'metrics.k8s.io', kind: 'pods', causes: [{ reason: 'UnexpectedServerResponse', message: '404 page not found' }] });
    }
  });
});
