import { ConfigMaps, Pods, Secrets } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Bus, type BusMessage, type FeedPublisher, type InMemoryBus, createFeedPublisher, createInMemoryBus, feedSubject } from '@orrery/bus';
import { VirtualClock, createMetrics, seededRandom } from '@orrery/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ApiClient, WatchEvent, WatchOptions } from './api-client.ts';
import { withFeed } from './feed-client.ts';
import { feedSlice } from './feed-slice.ts';
import { type FakeApi, createFakeApi } from './testing/index.ts';

interface Faults {
  lose: number;
  double: number;
  delay: number;
  /** Bytes that a message may have. */
  limit: number;
}

/** A bus that loses, doubles and delays (and so reorders) messages as told. */
function faultyBus(bus: InMemoryBus, world: { clock: VirtualClock; random: { next(): number }; faults: Faults }): Bus {
  const { clock, random, faults } = world;
  return {
    ...bus,
    maxPayload: () => faults.limit,
    subscribe(subject, handler) {
      let active = true;
      const hand = (message: BusMessage): void => {
        if (active) handler(message);
      };
      const inner = bus.subscribe(subject, (message) => {
        if (random.next() < faults.lose) return;
        const copies = random.next() < faults.double ? 2 : 1;
        for (let i = 0; i < copies; i++) {
          if (random.next() < faults.delay) clock.after(Math.floor(random.next() * 500), () => hand(message));
          else hand(message);
        }
      });
      return { unsubscribe: () => ((active = false), inner.unsubscribe()) };
    },
  };
}

type Node = { spec?: { nodeName?: string } };

/** Publishes the pods and config maps of the fake server as an API server does. */
function publishFrom(api: FakeApi, world: { bus: Bus; clock: VirtualClock; seed: number; revision: () => number; signal: AbortSignal }): FeedPublisher {
  const { clock } = world;
  const feed = createFeedPublisher({ ...world, env: { clock, random: seededRandom(world.seed) } });
  for (const resource of [Pods, ConfigMaps] as readonly ResourceRef<KubeObject>[]) {
    const root = feedSubject(resource);
    const nodes = new Map<string, string>();
    const sliceOf = (object: KubeObject): string => (root === 'feed.core.pods' ? ((object as Node).spec?.nodeName ?? '') : (object.metadata?.namespace ?? ''));
    feed.open({ root, version: 'v1', revision: world.revision() });
    const events = (batch: readonly WatchEvent[]): void => {
      for (const event of batch) {
        const name = event.object.metadata?.name ?? '';
        const slice = sliceOf(event.object);
        const before = nodes.get(name);
        if (event.type === 'DELETED') nodes.delete(name);
        else nodes.set(name, slice);
        const moved = before !== undefined && before !== slice ? { movedFrom: before } : {};
        feed.publish({ root, revision: Number(event.object.metadata?.resourceVersion), slice, line: Buffer.from(JSON.stringify(event)), ...moved });
      }
    };
    api.watch(resource, { resourceVersion: String(world.revision()) }, { events, closed: () => undefined });
  }
  return feed;
}

const show = (event: WatchEvent): string => `${event.type} ${event.object.metadata?.name} ${event.object.metadata?.resourceVersion}`;

/** Follows as an informer does: what ends is resumed from the last revision. Returns the log of changes. */
function follow(api: ApiClient, resource: ResourceRef<KubeObject>, options: WatchOptions): string[] {
  const seen: string[] = [];
  const watch = (resourceVersion: string): void => {
    let last = resourceVersion;
    api.watch(resource, { ...options, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: 45 }, {
      events(batch) {
        for (const event of batch) {
          last = event.object.metadata?.resourceVersion ?? last;
          if (event.type !== 'BOOKMARK') seen.push(show(event));
        }
      },
      closed: () => watch(last),
    });
  };
  watch(options.resourceVersion ?? '1');
  return seen;
}

const selections: readonly { resource: ResourceRef<KubeObject>; options: WatchOptions }[] = [
  { resource: Pods, options: {} },
  { resource: Pods, options: { fieldSelector: 'spec.nodeName=n.1' } },
  { resource: Pods, options: { fieldSelector: 'spec.nodeName=n-1' } },
  { resource: Pods, options: { namespace: 'a' } },
  { resource: ConfigMaps, options: { namespace: 'a' } },
  { resource: ConfigMaps, options: {} },
  { resource: ConfigMaps, options: { labelSelector: 'x=1' } },
];

function setUp(seed: number): { clock: VirtualClock; api: FakeApi; bus: InMemoryBus; truth: string[][]; revision: () => number; stop: AbortController } {
  const clock = new VirtualClock();
  const api = createFakeApi({ clock, random: seededRandom(seed) });
  const stop = new AbortController();
  let revision = 0;
  const created = api.seed(ConfigMaps, { metadata: { namespace: 'a', name: 'first' } });
  revision = Number(created[0]?.metadata?.resourceVersion);
  for (const resource of [Pods, ConfigMaps] as readonly ResourceRef<KubeObject>[]) {
    const events = (batch: readonly WatchEvent[]): void => {
      for (const event of batch) revision = Math.max(revision, Number(event.object.metadata?.resourceVersion));
    };
    api.watch(resource, { resourceVersion: String(revision) }, { events, closed: () => undefined });
  }
  const truth = selections.map(({ resource, options }) => follow(api, resource, { ...options, resourceVersion: '1' }));
  return { clock, api, bus: createInMemoryBus(), truth, revision: () => revision, stop };
}

const op = fc.record({
  kind: fc.constantFrom('pod', 'bind', 'change', 'delete', 'config', 'relabel', 'bus', 'restart', 'wait', 'drop'),
  which: fc.nat(5),
  waitMs: fc.constantFrom(0, 0, 1, 300, 3_000, 20_000),
});

async function act(world: ReturnType<typeof setUp> & { publishers: FeedPublisher[] }, o: { kind: string; which: number; waitMs: number }): Promise<void> {
  const { api, clock, bus, publishers } = world;
  const key = { namespace: o.which % 2 ? 'a' : 'b', name: `o${o.which}` };
  const pod = api.find(Pods, key.name, key.namespace);
  if (o.kind === 'pod' && !pod) await api.create(Pods, { metadata: key, spec: { containers: [] } } as never);
  if (o.kind === 'bind' && pod && !pod.spec?.nodeName) await api.createSubresource(Pods, key, 'binding', { target: { name: o.which % 3 ? 'n.1' : 'n-1' } });
  if (o.kind === 'change' && pod) await api.update(Pods, { ...pod, metadata: { ...pod.metadata, annotations: { at: String(world.revision()) } } });
  if (o.kind === 'delete' && pod) await api.delete(Pods, key, { gracePeriodSeconds: 0 });
  const config = api.find(ConfigMaps, key.name, key.namespace);
  if (o.kind === 'config' && !config) await api.create(ConfigMaps, { metadata: key });
  if (o.kind === 'relabel' && config) await api.update(ConfigMaps, { ...config, metadata: { ...config.metadata, labels: { x: config.metadata?.labels?.['x'] === '1' ? '2' : '1' } } });
  if (o.kind === 'drop' && config) await api.delete(ConfigMaps, key);
  if (o.kind === 'bus') bus.setConnected(!bus.connected());
  if (o.kind === 'restart') publishers[o.which % publishers.length]?.restart();
  await clock.advance(o.waitMs);
}

test('whatever the bus does, every watch sees exactly what the API server tells', async () => {
  const totals = { joined: 0, resumed: 0, withheld: 0 };
  const scenario = fc.record({
    seed: fc.nat(), ops: fc.array(op, { minLength: 5, maxLength: 60 }), publishers: fc.integer({ min: 1, max: 2 }),
    lose: fc.constantFrom(0, 0, 0.05, 0.3), double: fc.constantFrom(0, 0.2), delay: fc.constantFrom(0, 0, 0.2),
    limit: fc.constantFrom(1_000_000, 1_024 + 240),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ seed, ops, publishers: count, ...faults }) => {
      const world = setUp(seed);
      const { clock, api, bus, stop, revision } = world;
      const metrics = createMetrics();
      const faulty = faultyBus(bus, { clock, random: seededRandom(seed + 1), faults });
      const publishers = Array.from({ length: count }, (_, i) => publishFrom(api, { bus: faulty, clock, seed: seed + i, revision, signal: stop.signal }));
      const fed = withFeed(api, { bus: faulty, env: { clock, metrics } });
      const logs = selections.map(({ resource, options }) => follow(fed, resource, { ...options, resourceVersion: '1' }));
      for (const o of ops) await act({ ...world, publishers }, o);
      bus.setConnected(true);
      await clock.advance(90_000);
      expect(logs).toEqual(world.truth);
      totals.joined += /orrery_feed_events_total\{/.test(metrics.expose()) ? 1 : 0;
      totals.withheld += /reason="withheld"/.test(metrics.expose()) ? 1 : 0;
      totals.resumed += /orrery_feed_resumes_total\{/.test(metrics.expose()) ? 1 : 0;
      stop.abort();
    }),
    { numRuns: 100 },
  );
  // The property would hold of a client that never used the feed.
  expect(totals.joined).toBeGreaterThan(10);
  expect(totals.resumed).toBeGreaterThan(5);
  expect(totals.withheld).toBeGreaterThan(0);
});

test('while the feed works the API server is not watched, and silence brings it back', async () => {
  const world = setUp(3);
  const { clock, api, bus, revision } = world;
  const publishing = new AbortController();
  publishFrom(api, { bus, clock, seed: 1, revision, signal: publishing.signal });
  const metrics = createMetrics();
  const fed = withFeed(api, { bus, env: { clock, metrics } });
  const seen = follow(fed, ConfigMaps, { resourceVersion: '1' });
  await clock.advance(10);
  expect(metrics.expose()).toContain('orrery_feed_watches{state="live"} 1');
  const watches = (): number => api.requests.filter((request) => request.verb === 'watch').length;
  const before = watches();
  await api.create(ConfigMaps, { metadata: { namespace: 'a', name: 'x' } });
  await clock.advance(10);
  expect(seen).toEqual(['ADDED x 2']);
  expect(metrics.expose()).toContain('orrery_feed_events_total{resource="configmaps"} 1');
  publishing.abort();
  await clock.advance(9_000);
  expect(watches()).toBe(before + 1);
  expect(metrics.expose()).toContain('orrery_feed_resumes_total{reason="silence"} 1');
});

test.each<[ResourceRef<KubeObject>, WatchOptions, string | undefined]>([
  [Pods, { resourceVersion: '5' }, 'feed.core.pods.>'],
  [Pods, { resourceVersion: '5', fieldSelector: 'spec.nodeName=node.1' }, 'feed.core.pods.node-1'],
  [Pods, { resourceVersion: '5', fieldSelector: 'spec.nodeName=' }, undefined],
  [Pods, { resourceVersion: '5', fieldSelector: 'spec.nodeName!=n' }, undefined],
  [Pods, { resourceVersion: '5', fieldSelector: 'spec.nodeName=n,status.phase=Running' }, undefined],
  [Pods, { resourceVersion: '5', namespace: 'a', fieldSelector: 'spec.nodeName=n' }, undefined],
  [Pods, { resourceVersion: '5', namespace: 'a' }, undefined],
  [ConfigMaps, { resourceVersion: '5', namespace: 'a' }, 'feed.core.configmaps.a'],
  [ConfigMaps, { resourceVersion: '5', fieldSelector: 'metadata.name=x' }, undefined],
  [ConfigMaps, { resourceVersion: '5', labelSelector: 'x=1' }, undefined],
  [ConfigMaps, { resourceVersion: '0' }, undefined],
  [ConfigMaps, {}, undefined],
  [ConfigMaps, { resourceVersion: '5', sendInitialEvents: true }, undefined],
  [Secrets, { resourceVersion: '5' }, undefined],
])('%o %o is served by %s', (resource, options, pattern) => expect(feedSlice(resource, options)?.pattern).toBe(pattern));
