import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { notFound, serviceUnavailable } from '@orrery/errors';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createInformer } from './informer.ts';
import { createInformerFactory } from './informer-factory.ts';
import { createFakeApi } from './testing/index.ts';

const pod = (name: string, labels: Record<string, string> = {}): Pod => ({ metadata: { name, namespace: 'a', labels } });
const key = (name: string) => ({ namespace: 'a', name });

function setup() {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi(env);
  const seen: string[] = [];
  const handlers = {
    add: (o: Pod) => seen.push(`add ${o.metadata?.name}`),
    update: (o: Pod, old: Pod) => seen.push(`update ${o.metadata?.name} ${old.metadata?.resourceVersion}->${o.metadata?.resourceVersion}`),
    delete: (o: Pod) => seen.push(`delete ${o.metadata?.name}`),
  };
  return { clock, env, api, seen, handlers };
}

test('lists, follows, keeps indexes, and resumes after a lost watch without listing again', async () => {
  const { clock, env, api, seen, handlers } = setup();
  api.seed(Pods, pod('one', { app: 'x' }));
  const informer = createInformer(api, Pods, { env, indexers: { app: (o) => [o.metadata?.labels?.['app'] ?? ''] } });
  informer.addHandlers(handlers);
  informer.start();
  await clock.advance(10);
  expect(informer.synced()).toBe(true);
  await api.create(Pods, pod('two', { app: 'x' }));
  await api.patch(Pods, key('one'), { metadata: { labels: { app: 'y' } } }, { type: 'application/merge-patch+json' });
  await clock.advance(10);
  expect([...informer.byIndex('app', 'x')].map((o) => o.metadata?.name)).toEqual(['two']);
  api.disconnect(serviceUnavailable('gone'));
  await api.delete(Pods, key('two'));
  await clock.advance(1000);
  expect(seen).toEqual(['add one', 'add two', 'update one 1->3', 'delete two']);
  expect(api.requests.filter((r) => r.verb === 'list')).toHaveLength(1);
  informer.stop();
  expect(clock.pending).toBe(0);
});

test('after 410 the difference of a new list is reported', async () => {
  const { clock, env, api, seen, handlers } = setup();
  api.seed(Pods, pod('stays'), pod('goes'), pod('changes'));
  const informer = createInformer(api, Pods, { env });
  informer.addHandlers(handlers);
  informer.start();
  await clock.advance(10);
  seen.length = 0;
  api.disconnect(serviceUnavailable('gone'));
  await api.delete(Pods, key('goes'));
  await api.patch(Pods, key('changes'), { metadata: { labels: { a: 'b' } } }, { type: 'application/merge-patch+json' });
  await api.create(Pods, pod('comes'));
  api.compact();
  await clock.advance(2000);
  expect(seen.sort()).toEqual(['add comes', 'delete goes', 'update changes 3->5']);
});

test('a server that is away is asked again with back-off; a handler that throws hurts no other', async () => {
  const { clock, env, api, seen, handlers } = setup();
  api.seed(Pods, pod('one'));
  api.setFault(() => serviceUnavailable('down'));
  const factory = createInformerFactory({ api, env });
  const informer = factory.informer(Pods);
  expect(factory.informer(Pods)).toBe(informer);
  informer.addHandlers({ add: () => { throw new Error('broken handler'); } });
  informer.addHandlers(handlers);
  factory.start();
  await clock.advance(5_000);
  expect(factory.synced()).toBe(false);
  expect(api.requests.length).toBeLessThan(10);
  api.setFault(undefined);
  const synced = factory.whenSynced();
  await clock.advance(10_000);
  await synced;
  expect(seen).toEqual(['add one']);
});

test('what is not served is not waited for, and found when it appears', async () => {
  const { clock, env, api, seen, handlers } = setup();
  api.seed(Pods, pod('one'));
  api.setFault(() => notFound({ group: '', resource: 'pods', name: '' }));
  const informer = createInformer(api, Pods, { env });
  informer.addHandlers(handlers);
  informer.start();
  const synced = informer.whenSynced();
  await clock.advance(50);
  expect(informer.synced()).toBe(false);
  await clock.advance(2_000);
  await synced;
  expect([informer.synced(), informer.size, seen]).toEqual([true, 0, []]);
  // Asked for less and less often, though never for the last time: it may be turned off for good.
  await clock.advance(120_000);
  const before = api.requests.length;
  await clock.advance(600_000);
  expect(api.requests.length - before).toBeGreaterThanOrEqual(9);
  expect(api.requests.length - before).toBeLessThanOrEqual(20);
  api.setFault(undefined);
  await clock.advance(60_000);
  expect(seen).toEqual(['add one']);
});
