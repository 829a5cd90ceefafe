import { ConfigMaps, Pods } from '@orrery/api';
import type { ConfigMap, Pod } from '@orrery/api/types';
import type { WatchEvent } from '@orrery/client';
import type { StatusError } from '@orrery/errors';
import { KVDefinition } from '@orrery/proto/etcd';
import { createClient } from '@orrery/rpc';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually, startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
let namespace = '';
let count = 0;
beforeAll(async () => {
  t = await startTestServer({ watchCacheEvents: 50, bookmarkIntervalMs: 20 });
});
afterAll(() => t.stop());
beforeEach(() => {
  namespace = `ns-${count++}`;
});

const cm = (name: string, labels: Record<string, string> = {}): ConfigMap => ({ metadata: { name, namespace, labels } }) as ConfigMap;
const failure = (promise: Promise<unknown>): Promise<StatusError> => promise.then(() => expect.unreachable('should fail'), (error: StatusError) => error);
const names = (items: readonly ConfigMap[]): (string | undefined)[] => items.map((item) => item.metadata?.name);

interface Recorder {
  readonly events: WatchEvent<any>[];
  /** undefined while open, null after a clean end. */
  closed: StatusError | null | undefined;
  stop(): void;
}

function record(ref: typeof ConfigMaps | typeof Pods, options: object): Recorder {
  const recorder: Recorder = { events: [], closed: undefined, stop: () => undefined };
  const handle = t.api.watch(ref as typeof ConfigMaps, { namespace, ...options }, {
    events: (batch) => recorder.events.push(...batch),
    closed: (error) => {
      recorder.closed = error ?? null;
    },
  });
  recorder.stop = () => handle.stop();
  return recorder;
}

const shape = (events: readonly WatchEvent<any>[]): string[] => events.map((e) => `${e.type} ${e.object.metadata.name ?? ''}`.trim());

describe('list', () => {
  it('pages consistently while objects come and go', async () => {
    for (let i = 0; i < 7; i++) await t.api.create(ConfigMaps, cm(`c${i}`));
    const first = await t.api.list(ConfigMaps, { namespace, limit: 3 });
    expect(first.remainingItemCount).toBe(4);
    await t.api.create(ConfigMaps, cm('c3a'));
    await t.api.delete(ConfigMaps, { namespace, name: 'c5' });
    const second = await t.api.list(ConfigMaps, { namespace, limit: 3, continue: first.continue as string });
    expect([names(second.items), second.resourceVersion, second.remainingItemCount]).toEqual([['c3', 'c4', 'c5'], first.resourceVersion, 1]);
    const last = await t.api.list(ConfigMaps, { namespace, limit: 3, continue: second.continue as string });
    expect([names(last.items), last.continue, last.remainingItemCount]).toEqual([['c6'], undefined, undefined]);
  });

  it('pages over the store when the snapshot is on another replica, and expires with compaction', async () => {
    for (let i = 0; i < 5; i++) await t.api.create(ConfigMaps, cm(`c${i}`));
    const first = await t.api.list(ConfigMaps, { namespace, limit: 2 });
    const other = (await t.replica()).client({ username: 'x', groups: [] });
    const second = await other.list(ConfigMaps, { namespace, limit: 2, continue: first.continue as string });
    expect([names(second.items), second.remainingItemCount, second.resourceVersion]).toEqual([['c2', 'c3'], 1, first.resourceVersion]);
    await t.api.create(ConfigMaps, cm('later'));
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    await createClient(KVDefinition, t.store.channel()).compact({ revision: Number(resourceVersion) });
    const error = await failure(other.list(ConfigMaps, { namespace, limit: 2, continue: second.continue as string }));
    expect([error.code, error.reason]).toEqual([410, 'Expired']);
    const rest = await other.list(ConfigMaps, { namespace, limit: 5, continue: error.status.metadata.continue as string });
    expect(names(rest.items)).toEqual(['c4', 'later']);
  });

  it('selects by labels and fields', async () => {
    await t.api.create(ConfigMaps, cm('a', { app: 'x' }));
    await t.api.create(ConfigMaps, cm('b', { app: 'y' }));
    expect(names((await t.api.list(ConfigMaps, { namespace, labelSelector: 'app in (x)' })).items)).toEqual(['a']);
    expect(names((await t.api.list(ConfigMaps, { namespace, fieldSelector: 'metadata.name!=a' })).items)).toEqual(['b']);
    expect((await failure(t.api.list(ConfigMaps, { namespace, fieldSelector: 'data.x=1' }))).message).toBe(
      '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    );
  });

  it('reads its own writes through another replica', async () => {
    const other = (await t.replica()).client({ username: 'x', groups: [] });
    for (let i = 0; i < 20; i++) {
      await t.api.create(ConfigMaps, cm(`r${i}`));
      expect((await other.list(ConfigMaps, { namespace })).items).toHaveLength(i + 1);
    }
  });

  it('at an exact revision shows the past, in the future fails', async () => {
    const made = await t.api.create(ConfigMaps, cm('x'));
    await t.api.delete(ConfigMaps, { namespace, name: 'x' });
    const then = await t.api.list(ConfigMaps, { namespace, resourceVersion: made.metadata?.resourceVersion as string, resourceVersionMatch: 'Exact' });
    expect(then.items).toEqual([made]);
    const future = await failure(t.api.list(ConfigMaps, { namespace, resourceVersion: '999999', resourceVersionMatch: 'Exact' }));
    expect([future.code, future.status.details?.causes?.[0]?.reason]).toEqual([504, 'ResourceVersionTooLarge']);
  });
});

describe('watch', () => {
  it('starts with the state, or strictly after a revision', async () => {
    const made = await t.api.create(ConfigMaps, cm('a'));
    const all = record(ConfigMaps, {});
    const later = record(ConfigMaps, { resourceVersion: made.metadata?.resourceVersion });
    await eventually(() => all.events.length === 1);
    await t.api.patch(ConfigMaps, { namespace, name: 'a' }, { data: { k: 'v' } }, { type: 'application/merge-patch+json' });
    await t.api.delete(ConfigMaps, { namespace, name: 'a' });
    await eventually(() => all.events.length === 3 && later.events.length === 2);
    expect(shape(all.events)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
    expect(shape(later.events)).toEqual(['MODIFIED a', 'DELETED a']);
    const versions = all.events.map((e) => Number(e.object.metadata.resourceVersion));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(new Set(versions).size).toBe(3);
    all.stop();
    later.stop();
  });

  it('turns leaving and entering a selector into DELETED and ADDED', async () => {
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    const watch = record(ConfigMaps, { resourceVersion, labelSelector: 'app=x' });
    await t.api.create(ConfigMaps, cm('a', { app: 'x' }));
    const label = (app: string): Promise<unknown> => t.api.patch(ConfigMaps, { namespace, name: 'a' }, { metadata: { labels: { app } } }, { type: 'application/merge-patch+json' });
    await label('y');
    await label('z');
    await label('x');
    await eventually(() => watch.events.length === 3);
    expect(shape(watch.events)).toEqual(['ADDED a', 'DELETED a', 'ADDED a']);
    expect(watch.events[1]?.object.metadata.labels).toEqual({ app: 'x' });
    watch.stop();
  });

  it('follows pods of one node, coming and going', async () => {
    const { resourceVersion } = await t.api.list(Pods, { namespace });
    const onNode = record(Pods, { resourceVersion, fieldSelector: 'spec.nodeName=n7' });
    const unassigned = record(Pods, { resourceVersion, fieldSelector: 'spec.nodeName=' });
    await t.api.create(Pods, { metadata: { name: 'p', namespace }, spec: { containers: [{ name: 'c', image: 'i' }] } } as unknown as Pod);
    await t.api.createSubresource(Pods, { namespace, name: 'p' }, 'binding', { target: { name: 'n7' } });
    await eventually(() => onNode.events.length === 1 && unassigned.events.length === 2);
    expect([shape(onNode.events), shape(unassigned.events)]).toEqual([['ADDED p'], ['ADDED p', 'DELETED p']]);
    expect((await t.api.list(Pods, { fieldSelector: 'spec.nodeName=n7' })).items).toHaveLength(1);
    onNode.stop();
    unassigned.stop();
  });

  it('streams the state, then a bookmark that says so, then bookmarks now and then', async () => {
    await t.api.create(ConfigMaps, cm('a'));
    const watch = record(ConfigMaps, { sendInitialEvents: true, allowWatchBookmarks: true });
    await eventually(() => watch.events.length >= 3);
    expect(shape(watch.events.slice(0, 3))).toEqual(['ADDED a', 'BOOKMARK', 'BOOKMARK']);
    expect(watch.events[1]?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    watch.stop();
  });

  it('is told how far it came two seconds before its end', async () => {
    const quiet = (await t.replica({ bookmarkIntervalMs: 3_600_000 })).client({ username: 'x', groups: [] });
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    const seen: string[] = [];
    const handle = quiet.watch(ConfigMaps, { namespace, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: 3 }, { events: (b) => seen.push(...b.map((e) => e.type)), closed: () => seen.push('closed') });
    await eventually(() => seen.length > 0);
    expect(seen).toEqual(['BOOKMARK']);
    handle.stop();
  });

  it('from a forgotten revision is refused with 410', async () => {
    const made = await t.api.create(ConfigMaps, cm('old'));
    for (let i = 0; i < 60; i++) await t.api.patch(ConfigMaps, { namespace, name: 'old' }, { data: { i: String(i) } }, { type: 'application/merge-patch+json' });
    const watch = record(ConfigMaps, { resourceVersion: made.metadata?.resourceVersion });
    await eventually(() => watch.closed !== undefined);
    expect(watch.closed?.code).toBe(410);
    expect(watch.closed?.message).toMatch(/^too old resource version: \d+ \(\d+\)$/);
  });

  it('ends cleanly after its timeout', async () => {
    const watch = record(ConfigMaps, { timeoutSeconds: 1 });
    await eventually(() => watch.closed !== undefined);
    expect(watch.closed).toBeNull();
  });

  it('shows all watchers the same order under churn', async () => {
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    const replica = (await t.replica()).client({ username: 'x', groups: [] });
    const watches = [record(ConfigMaps, { resourceVersion }), record(ConfigMaps, { resourceVersion })];
    const far: string[] = [];
    const handle = replica.watch(ConfigMaps, { namespace, resourceVersion }, { events: (b) => far.push(...b.map((e) => `${e.type} ${e.object.metadata?.resourceVersion}`)), closed: () => undefined });
    await Promise.all(Array.from({ length: 30 }, (_, i) => t.api.create(ConfigMaps, cm(`x${i}`))));
    await Promise.all(Array.from({ length: 15 }, (_, i) => t.api.delete(ConfigMaps, { namespace, name: `x${i * 2}` })));
    await eventually(() => far.length === 45 && watches.every((w) => w.events.length === 45));
    const near = watches.map((w) => w.events.map((e) => `${e.type} ${e.object.metadata.resourceVersion}`));
    expect(near[0]).toEqual(near[1]);
    expect(far).toEqual(near[0]);
    handle.stop();
    for (const watch of watches) watch.stop();
  });
});
