import { ConfigMaps, Pods, Secrets } from '@orrery/api';
import { type BusMessage, createInMemoryBus } from '@orrery/bus';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../test/test-server.ts';

const bus = createInMemoryBus();
let t: TestServer;
beforeEach(async () => {
  t = await startTestServer({}, { bus });
});
afterEach(() => t.stop());

const pod = { metadata: { name: 'p', namespace: 'one' }, spec: { containers: [{ name: 'c', image: 'i' }] } } as never;

it('publishes a change once, by slice, and says what it follows', async () => {
  const seen: BusMessage[] = [];
  bus.subscribe('feed.core.>', (message) => seen.push(message));
  const rv = (object: { metadata?: { resourceVersion?: string } }): string => object.metadata?.resourceVersion ?? '';
  const a = rv(await t.api.create(ConfigMaps, { metadata: { name: 'a', namespace: 'one' } }));
  await t.api.create(Secrets, { metadata: { name: 's', namespace: 'one' } });
  const b = rv(await t.api.create(ConfigMaps, { metadata: { name: 'b', namespace: 'two' } }));
  const c = rv(await t.api.create(ConfigMaps, { metadata: { name: 'c', namespace: 'one' } }));
  const p = rv(await t.api.create(Pods, pod));
  await t.api.createSubresource(Pods, { namespace: 'one', name: 'p' }, 'binding', { target: { name: 'n1.example' } });
  await expect.poll(() => seen.length).toBe(5);
  const base = seen[0]?.headers['after-in-whole'] ?? '';
  const bound = rv(await t.api.get(Pods, { namespace: 'one', name: 'p' }));
  const lines = seen.map(({ subject, headers: h, payload }) =>
    `${subject} ${h['after-in-slice']} ${h['after-in-whole']} ${h['revision']} ${h['entered'] ?? '-'} ${(JSON.parse(Buffer.from(payload).toString()) as { type: string }).type}`);
  expect(lines).toEqual([
    `feed.core.configmaps.one ${base} ${base} ${a} - ADDED`,
    `feed.core.configmaps.two ${base} ${a} ${b} - ADDED`,
    `feed.core.configmaps.one ${a} ${b} ${c} - ADDED`,
    `feed.core.pods._ ${base} ${base} ${p} - ADDED`,
    `feed.core.pods.n1-example ${base} ${p} ${bound} true MODIFIED`,
  ]);
  expect(new Set(seen.map((m) => m.headers['publisher'])).size).toBe(1);
});

it('answers how far a resource or a slice is, and says nothing of what it does not publish', async () => {
  const marks: string[] = [];
  const note = (message: BusMessage): void => {
    if (message.headers['content'] === 'mark') marks.push(`${message.subject} ${message.headers['after-in-slice'] ?? message.headers['after-in-whole']}`);
  };
  bus.subscribe('feed.core.>', note);
  const { metadata } = await t.api.create(ConfigMaps, { metadata: { name: 'a', namespace: 'one' } });
  const ask = (subject: string, version = 'v1'): void => bus.publish('feed.ask', new Uint8Array(), { subject, version });
  ask('feed.core.secrets.~');
  ask('feed.core.configmaps.~', 'v2');
  ask('feed.core.configmaps.~');
  ask('feed.core.configmaps.one');
  await expect.poll(() => marks).toEqual([`feed.core.configmaps.~ ${metadata?.resourceVersion}`, `feed.core.configmaps.one ${metadata?.resourceVersion}`]);
});

it('tells followers to come back when the bus was away', async () => {
  const bases: string[] = [];
  bus.subscribe('feed.heartbeat.*', ({ headers }) => bases.push(headers['base'] ?? ''));
  bus.setConnected(false);
  const { metadata } = await t.api.create(ConfigMaps, { metadata: { name: 'a', namespace: 'one' } });
  bus.setConnected(true);
  await expect.poll(() => bases.at(-1)).toBe(metadata?.resourceVersion);
});
