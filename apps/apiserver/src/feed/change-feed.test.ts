import { ConfigMaps, Pods } from '@orrery/api';
import { type BusMessage, createInMemoryBus } from '@orrery/bus';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../test/test-server.ts';

const bus = createInMemoryBus();
let t: TestServer;
beforeEach(async () => {
  t = await startTestServer({}, { bus });
});
afterEach(() => t.stop());

it('publishes changes by slice, numbered without gaps', async () => {
  const seen: BusMessage[] = [];
  bus.subscribe('feed.core.>', (message) => seen.push(message));
  await t.api.create(ConfigMaps, { metadata: { name: 'a', namespace: 'one' } });
  await t.api.create(ConfigMaps, { metadata: { name: 'b', namespace: 'one' } });
  await t.api.create(Pods, { metadata: { name: 'p', namespace: 'one' }, spec: { containers: [{ name: 'c', image: 'i' }] } } as never);
  await t.api.createSubresource(Pods, { namespace: 'one', name: 'p' }, 'binding', { target: { name: 'n1.example' } });
  const lines = (): string[] => seen.map((m) => `${m.subject} ${m.headers['sequence']} ${(JSON.parse(Buffer.from(m.payload).toString()) as { type: string }).type}`);
  await expect.poll(lines).toEqual([
    'feed.core.configmaps.one 1 ADDED',
    'feed.core.configmaps.one 2 ADDED',
    'feed.core.pods._ 1 ADDED',
    'feed.core.pods.n1-example 1 MODIFIED',
    'feed.core.pods._ 2 MODIFIED',
  ]);
  expect(new Set(seen.map((m) => m.headers['publisher'])).size).toBe(1);
});
