import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { tooManyRequests } from '@orrery/errors';
import { type Channel, grpcChannel, grpcServer, inMemoryChannel } from '@orrery/rpc';
import { type Clock, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { createGrpcApiClient } from './grpc-api-client.ts';
import { createFakeApi, serveApi } from './testing/index.ts';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});
const env = { clock: new VirtualClock() as Clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const pod = (name: string): Pod => ({ metadata: { name, namespace: 'a', labels: { app: 'x' } }, spec: { containers: [] } });
const key = { namespace: 'a', name: 'p' };

const transports: Record<string, (service: ReturnType<typeof serveApi>) => Promise<Channel>> = {
  memory: async (service) => inMemoryChannel([service]),
  grpc: async (service) => {
    const server = grpcServer([service]);
    const port = await server.listen('127.0.0.1:0');
    cleanUps.push(() => server.stop());
    return grpcChannel(`127.0.0.1:${port}`);
  },
};

describe.each(Object.keys(transports))('over %s', (name) => {
  async function connect() {
    const fake = createFakeApi(env);
    const channel = await (transports[name] as (typeof transports)[string])(serveApi(fake));
    const api = createGrpcApiClient(channel, { env });
    cleanUps.push(() => api.close());
    return { fake, api };
  }

  test('reads and writes, and failures are the Status of the server', async () => {
    const { fake, api } = await connect();
    const made = await api.create(Pods, pod('p'));
    expect((await api.get(Pods, key)).metadata?.uid).toBe(made.metadata?.uid);
    await expect(api.create(Pods, pod('p'))).rejects.toMatchObject({ code: 409, reason: 'AlreadyExists', message: 'pods "p" already exists' });
    await expect(api.get(Pods, { namespace: 'a', name: 'q' })).rejects.toMatchObject({ code: 404, message: 'pods "q" not found' });
    const patched = await api.patch(Pods, key, { metadata: { labels: { b: 'c' } } }, { type: 'application/merge-patch+json' });
    expect(patched.metadata?.labels).toEqual({ app: 'x', b: 'c' });
    await api.createSubresource(Pods, key, 'binding', { target: { name: 'node' } });
    expect((await api.delete(Pods, key))?.metadata?.deletionGracePeriodSeconds).toBe(30);
    expect(await api.delete(Pods, key, { gracePeriodSeconds: 0 })).toBeUndefined();
    await Promise.all(Array.from({ length: 50 }, (_, i) => api.create(Pods, pod(`many-${i}`))));
    const list = await api.list(Pods, { namespace: 'a', labelSelector: 'app=x' });
    expect([list.items.length, list.resourceVersion]).toEqual([50, (await fake.list(Pods)).resourceVersion]);
  });

  test('watches follow and end with the error of the server', async () => {
    const { fake, api } = await connect();
    const seen: string[] = [];
    const closed = new Promise<number | undefined>((resolve) => {
      api.watch(Pods, {}, {
        events(batch) {
          for (const event of batch) seen.push(`${event.type} ${event.object.metadata?.name}`);
          if (seen.length === 2) fake.disconnect();
        },
        closed: (error) => resolve(error?.code),
      });
    });
    await api.create(Pods, pod('one'));
    await api.create(Pods, pod('two'));
    expect(await closed).toBe(410);
    expect(seen).toEqual(['ADDED one', 'ADDED two']);
  });
});

test('what a busy server turns away is tried again when it said', async () => {
  const clock = new VirtualClock();
  const fake = createFakeApi(env);
  let refusals = 0;
  const busy = (): void => {
    if (++refusals % 3) throw tooManyRequests('Too many requests, please try again later.', 2);
  };
  const service = serveApi({ ...fake, create: async (...args) => (busy(), fake.create(...args)), get: async (...args) => (busy(), fake.get(...args)) });
  const api = createGrpcApiClient(inMemoryChannel([service]), { env: { ...env, clock } });
  cleanUps.push(() => api.close());
  const made = api.create(Pods, pod('p'));
  await clock.advance(3_999);
  expect(refusals).toBe(2);
  await clock.advance(1);
  expect((await made).metadata?.name).toBe('p');
  const read = api.get(Pods, key);
  await clock.advance(4_000);
  expect((await read).metadata?.name).toBe('p');
});

test('a server that is away answers 503', async () => {
  const api = createGrpcApiClient(grpcChannel('127.0.0.1:1'), { env, readAttempts: 1 });
  cleanUps.push(() => api.close());
  await expect(api.create(Pods, pod('p'))).rejects.toMatchObject({ code: 503 });
  await expect(api.get(Pods, key)).rejects.toMatchObject({ code: 503 });
  expect(await new Promise((resolve) => api.watch(Pods, {}, { events: () => undefined, closed: (error) => resolve(error?.code) }))).toBe(503);
});
