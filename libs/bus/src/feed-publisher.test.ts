import { VirtualClock, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { type BusMessage, createFeedPublisher, createInMemoryBus, decodeFact, feedExcludes, feedSubject } from './index.ts';

function setUp(maxPayload = 1_000_000) {
  const clock = new VirtualClock();
  const bus = { ...createInMemoryBus(), maxPayload: () => maxPayload };
  const stop = new AbortController();
  let revision = 10;
  const publisher = createFeedPublisher({ bus, env: { clock, random: seededRandom(1) }, revision: () => revision, signal: stop.signal });
  const seen: string[] = [];
  const show = (message: BusMessage): void => {
    const facts = (['slice', 'whole'] as const).map((scope) => decodeFact(message, scope)).map((fact) => (fact ? `(${fact.after},${fact.revision}]` : '-'));
    const { content = '', entered = '' } = message.headers;
    seen.push(`${message.subject} ${facts.join(' ')} ${content}${entered ? ' entered' : ''} ${message.payload.byteLength}`);
  };
  bus.subscribe('feed.core.>', show);
  const root = feedSubject({ group: '', resource: 'pods' });
  publisher.open({ root, version: 'v1', revision });
  const publish = (at: number, slice: string, more: { movedFrom?: string; size?: number } = {}): void => {
    revision = at;
    const { size = 5, ...moved } = more;
    publisher.publish({ root, revision: at, slice, line: new Uint8Array(size), ...moved });
  };
  return { clock, bus, stop, publisher, seen, publish };
}

test('numbers each slice and the whole by the revision before', async () => {
  const { clock, seen, publish } = setUp();
  publish(12, 'n1');
  publish(15, 'n2');
  publish(16, 'n1');
  await clock.advance(1);
  expect(seen).toEqual(['feed.core.pods.n1 (10,12] (10,12] event 5', 'feed.core.pods.n2 (10,15] (12,15] event 5', 'feed.core.pods.n1 (12,16] (15,16] event 5']);
});

test('what entered a slice is told there; a slice that was left must ask the API server', async () => {
  const { clock, seen, publish } = setUp();
  publish(11, '');
  publish(12, 'n1', { movedFrom: '' });
  publish(13, 'n2', { movedFrom: 'n1' });
  publish(14, 'n1');
  await clock.advance(1);
  expect(seen).toEqual([
    'feed.core.pods._ (10,11] (10,11] event 5',
    'feed.core.pods.n1 (10,12] (11,12] event entered 5',
    'feed.core.pods.n2 (10,13] (12,13] event entered 5',
    'feed.core.pods.n1 (12,13] - withheld 0',
    'feed.core.pods.n1 (13,14] (13,14] event 5',
  ]);
});

test('what is too big for the bus is withheld', async () => {
  const { clock, seen, publish } = setUp(2_000);
  publish(11, 'n1', { size: 1_500 });
  await clock.advance(1);
  expect(seen).toEqual(['feed.core.pods.n1 (10,11] (10,11] withheld 0']);
});

test('changes from before the opening, and of what is not open, are not published', async () => {
  const { clock, seen, publish, publisher } = setUp();
  publish(9, 'n1');
  publisher.publish({ root: 'feed.core.nodes', revision: 11, slice: '', line: new Uint8Array(1) });
  await clock.advance(1);
  expect(seen).toEqual([]);
});

test('tells that it lives, and since when, until it is stopped', async () => {
  const { clock, bus, stop, publish } = setUp();
  const bases: string[] = [];
  bus.subscribe('feed.heartbeat.*', ({ headers }) => bases.push(headers['base'] ?? ''));
  await clock.advance(4_000);
  publish(20, 'n1');
  bus.setConnected(false);
  bus.setConnected(true);
  await clock.advance(2_000);
  expect(bases).toEqual(['10', '10', '20', '20']);
  stop.abort();
  await clock.advance(10_000);
  expect(bases).toHaveLength(4);
});

test.each([
  [{}, undefined],
  [{ publisher: 'p', version: 'v1', content: 'event', revision: '5', 'after-in-slice': '4' }, 5],
  [{ publisher: 'p', version: 'v1', content: 'other', revision: '5', 'after-in-slice': '4' }, undefined],
  [{ publisher: 'p', version: 'v1', content: 'event', revision: 'x', 'after-in-slice': '4' }, undefined],
  [{ publisher: 'p', version: 'v1', content: 'event', revision: '5', 'after-in-whole': '4' }, undefined],
])('%o tells followers of a slice of %s', (headers, revision) => {
  const message = { subject: 'feed.core.pods.n1', payload: new Uint8Array(), headers: headers as Record<string, string> };
  expect(decodeFact(message, 'slice')?.revision).toBe(revision);
});

test('subjects', () => {
  expect(feedSubject({ group: 'events.k8s.io', resource: 'events' })).toBe('feed.events-k8s-io.events');
  expect(feedExcludes({ group: '', resource: 'secrets' })).toBe(true);
  expect(feedExcludes({ group: 'example.com', resource: 'secrets' })).toBe(false);
});
