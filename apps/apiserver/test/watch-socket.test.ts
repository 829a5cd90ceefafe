import { ConfigMaps, decodeProtobuf } from '@orrery/api';
import { type Message, connectWebSocket } from '@orrery/http';
import { dial } from '@orrery/node-io';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, startTestServer, type TestServer } from './test-server.ts';

const path = '/api/v1/namespaces/default/configmaps';
let t: TestServer;
beforeAll(async () => {
  t = await startTestServer({ watchCacheEvents: 2 });
  for (const name of ['x', 'y', 'z', 'a']) await create(name);
});
afterAll(() => t.stop());

const create = (name: string): Promise<unknown> => t.api.create(ConfigMaps, { metadata: { name, namespace: 'default' } });

interface Watched {
  readonly messages: Message[];
  readonly protocol: string;
  ended: boolean;
  close(): Promise<void>;
}

/** Opens a watch and keeps what it says. */
async function watch(query: string, options: { accept?: string; protocols?: string[] } = {}): Promise<Watched> {
  const { port } = new URL(t.url);
  const { accept = 'application/json', protocols = [] } = options;
  const stream = await dial({ host: '127.0.0.1', port: Number(port) });
  const { socket, protocol } = await connectWebSocket(stream, { target: `${path}?watch=1${query}`, host: `127.0.0.1:${port}`, protocols, headers: [['Accept', accept]] });
  const watched: Watched = { messages: [], protocol, ended: false, close: () => socket.close() };
  void (async () => {
    for (let message = await socket.receive(); message; message = await socket.receive()) watched.messages.push(message);
    watched.ended = true;
  })();
  return watched;
}

const events = ({ messages }: Watched): string[] => messages.map(({ data }) => JSON.parse(data.toString())).map(({ type, object }) => `${type} ${object.metadata.name ?? object.code}`);

it('sends one event a message, and ends when the client closes', async () => {
  const watched = await watch('&fieldSelector=metadata.name!%3Dx');
  await eventually(() => watched.messages.length === 3);
  for (const name of ['b', 'c']) await create(name);
  await eventually(() => watched.messages.length === 5);
  expect(events(watched)).toEqual(['ADDED a', 'ADDED y', 'ADDED z', 'ADDED b', 'ADDED c']);
  expect(watched.messages.every((message) => message.kind === 'text')).toBe(true);
  const cache = t.server.core.registry.feed.all().find((one) => one.prefix.endsWith('/configmaps/'));
  expect(cache?.watcherCount).toBe(1);
  await watched.close();
  await eventually(() => watched.ended && cache?.watcherCount === 0);
});

it('closes after its timeout, and says as an event what is gone', async () => {
  const ended = await watch('&timeoutSeconds=1');
  await eventually(() => ended.ended);
  const gone = await watch('&resourceVersion=1');
  await eventually(() => gone.ended);
  expect(events(gone)).toEqual(['ERROR 410']);
});

it('speaks protobuf in binary messages', async () => {
  const watched = await watch('&fieldSelector=metadata.name%3Da', { accept: 'application/vnd.kubernetes.protobuf;stream=watch', protocols: ['base64url.bearer.authorization.k8s.io.dA', 'some.protocol'] });
  await eventually(() => watched.messages.length === 1);
  const [{ data, kind } = { data: Buffer.alloc(0), kind: 'text' }] = watched.messages;
  expect([kind, data.toString('latin1', 2, 7), watched.protocol]).toEqual(['binary', 'ADDED', 'some.protocol']);
  expect(decodeProtobuf(data.subarray(data.indexOf('k8s\0'))).object).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'a' } });
  await watched.close();
});

it('refuses like any other request', async () => {
  await expect(watch('&resourceVersionMatch=Exact')).rejects.toThrow('websocket handshake refused: 422');
});
