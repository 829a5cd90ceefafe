import { ConfigMaps, Pods } from '@orrery/api';
import type { ConfigMap, Pod } from '@orrery/api/types';
import { type ApiClient, ThreadApi, type ThreadAnswers, type ThreadLink, type WatchEvent } from '@orrery/client';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admin, eventually, startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
let thread: ThreadApi;
let api: ApiClient;
const ports: MessagePort[] = [];
/** Objects that have come over, in messages. */
let carried: ThreadAnswers[] = [];

const link = <In, Out>(port: MessagePort): ThreadLink<In, Out> => ({ post: (message, transfer = []) => port.postMessage(message, [...transfer]), receive: (use) => void port.on('message', use) });

beforeAll(async () => {
  t = await startTestServer();
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  port2.on('message', (message: ThreadAnswers) => carried.push(message));
  t.server.serveThread(link(port1), setImmediate);
  thread = new ThreadApi(link(port2), setImmediate);
  api = thread.client({ ...admin, program: 'far' });
});
afterAll(async () => {
  for (const port of ports) port.close();
  await t.stop();
});

const namespace = 'default';
const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: { of: 'thread' } }, data });

describe('the API from another thread', () => {
  it('writes and reads as in the same thread', async () => {
    const made = await api.create(ConfigMaps, map('one', { key: '値 "é"\u2028' }));
    expect(made).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'one', resourceVersion: expect.stringMatching(/^\d+$/) as string }, data: { key: '値 "é"\u2028' } });
    const near = await t.api.get(ConfigMaps, { namespace, name: 'one' });
    const { managedFields, ...metadata } = near.metadata as { managedFields?: { manager: string }[] };
    expect(made).toEqual({ ...near, metadata });
    expect(managedFields?.[0]?.manager).toBe('far');
    expect(await api.get(ConfigMaps, { namespace, name: 'one' })).toEqual(made);
    const patched = await api.patch(ConfigMaps, { namespace, name: 'one' }, { data: { b: 'c' } }, { type: 'application/merge-patch+json' });
    expect(patched.data).toMatchObject({ b: 'c' });
    const updated = await api.update(ConfigMaps, { ...patched, data: { only: 'this' } });
    expect(updated.data).toEqual({ only: 'this' });
    // Who owns its fields is known as before, though it came back without.
    expect((await t.api.get(ConfigMaps, { namespace, name: 'one' })).metadata?.managedFields?.map(({ manager }) => manager)).toEqual(['far']);
    const list = await api.list(ConfigMaps, { namespace, labelSelector: 'of=thread' });
    expect(list).toMatchObject({ items: [updated], resourceVersion: expect.stringMatching(/^\d+$/) as string });
    expect(await api.delete(ConfigMaps, { namespace, name: 'one' })).toBeUndefined();
  });

  it('has what lingers, and subresources', async () => {
    await api.create(Pods, { metadata: { name: 'p', namespace }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    await api.createSubresource(Pods, { namespace, name: 'p' }, 'binding', { target: { kind: 'Node', name: 'node' } });
    const pod = await api.get(Pods, { namespace, name: 'p' });
    expect(pod.spec?.nodeName).toBe('node');
    expect((await api.update(Pods, { ...pod, status: { phase: 'Running' } }, { subresource: 'status' })).status?.phase).toBe('Running');
    expect((await api.delete(Pods, { namespace, name: 'p' }))?.metadata?.deletionGracePeriodSeconds).toBe(30);
    await api.delete(Pods, { namespace, name: 'p' }, { gracePeriodSeconds: 0 });
    await expect(api.get(Pods, { namespace, name: 'p' })).rejects.toMatchObject({ code: 404 });
  });

  it('refuses in the words of the server', async () => {
    await expect(api.get(ConfigMaps, { namespace, name: 'none' })).rejects.toMatchObject({ code: 404, reason: 'NotFound', message: 'configmaps "none" not found' });
    await expect(api.create(ConfigMaps, map('No Name'))).rejects.toMatchObject({ code: 422, reason: 'Invalid', status: { details: { causes: [{ field: 'metadata.name' }] } } });
    await expect(api.list({ ...ConfigMaps, resource: 'widgets' })).rejects.toMatchObject({ code: 404 });
  });

  it('watches; an object crosses once for all who are shown it', async () => {
    const events: WatchEvent<ConfigMap>[][] = [[], []];
    const { resourceVersion } = await api.list(ConfigMaps, {});
    const sinks = events.map((seen, i) => api.watch(ConfigMaps, { ...(i === 0 ? {} : { namespace }), resourceVersion }, { events: (batch) => void seen.push(...batch), closed: () => undefined }));
    await api.get(ConfigMaps, { namespace, name: 'none' }).catch(() => undefined);
    carried = [];
    await t.api.create(ConfigMaps, map('seen', { a: 'b' }));
    await t.api.patch(ConfigMaps, { namespace, name: 'seen' }, { metadata: { annotations: { c: 'd' } } }, { type: 'application/merge-patch+json' });
    await t.api.delete(ConfigMaps, { namespace, name: 'seen' });
    await eventually(() => events.every((seen) => seen.length === 3), 'both watches see all events');
    for (const seen of events) expect(seen.map(({ type, object }) => `${type} ${object.metadata?.name}`)).toEqual(['ADDED seen', 'MODIFIED seen', 'DELETED seen']);
    expect(events[0]?.[0]?.object).toBe(events[1]?.[0]?.object);
    // What a change left alone is the same object as before.
    const [added, modified] = events[0]?.map(({ object }) => object) ?? [];
    expect(modified?.metadata?.annotations).toEqual({ c: 'd' });
    expect(modified?.data).toBe(added?.data);
    expect(modified?.metadata?.labels).toBe(added?.metadata?.labels);
    const crossed = carried.flatMap(({ objects }) => objects.flatMap((chunk) => JSON.parse(Buffer.from(chunk).toString()) as unknown[]));
    expect(crossed.filter((object) => (object as ConfigMap).kind === 'ConfigMap')).toHaveLength(3);
    for (const sink of sinks) sink.stop();
    await t.api.create(ConfigMaps, map('unseen'));
    await api.get(ConfigMaps, { namespace, name: 'unseen' });
    expect(events[0]).toHaveLength(3);
  });

  it('of a new version only what is new crosses, and nothing of what was shown already', async () => {
    // Of what another server writes this one does not know the parts.
    const writer = t.server.client(admin);
    const { resourceVersion } = await api.list(Pods, {});
    const seen: WatchEvent<Pod>[] = [];
    const watch = api.watch(Pods, { resourceVersion }, { events: (batch) => void seen.push(...batch), closed: () => undefined });
    // What a watch shows first counts for nothing: that is over before the Pod comes.
    await writer.create(Pods, { metadata: { name: 'first', namespace }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    await eventually(() => seen.length === 1, 'the first event');
    seen.length = 0;
    carried = [];
    await writer.create(Pods, { metadata: { name: 'q', namespace }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    await writer.createSubresource(Pods, { namespace, name: 'q' }, 'binding', { target: { kind: 'Node', name: 'node' } });
    await writer.patch(Pods, { namespace, name: 'q' }, { status: { phase: 'Running' } }, { type: 'application/merge-patch+json', subresource: 'status' });
    await eventually(() => seen.length === 3, 'what came before the Pod is deleted');
    const found = await api.get(Pods, { namespace, name: 'q' });
    await writer.delete(Pods, { namespace, name: 'q' });
    await writer.delete(Pods, { namespace, name: 'q' }, { gracePeriodSeconds: 0 });
    await eventually(() => seen.at(-1)?.type === 'DELETED', 'all events');
    watch.stop();
    expect(seen.map(({ type, object: { status, spec, metadata } }) => [type, status?.phase, spec?.nodeName, spec?.containers?.[0]?.name, metadata?.deletionGracePeriodSeconds])).toEqual([
      ['ADDED', 'Pending', undefined, 'c', undefined],
      ['MODIFIED', 'Pending', 'node', 'c', undefined],
      ['MODIFIED', 'Running', 'node', 'c', undefined],
      ['MODIFIED', 'Running', 'node', 'c', 30],
      ['MODIFIED', 'Running', 'node', 'c', 0],
      ['DELETED', 'Running', 'node', 'c', 0],
    ]);
    expect(found).toBe(seen[2]?.object);
    expect(seen[3]?.object.spec).toBe(seen[1]?.object.spec);
    const crossed = carried.flatMap(({ objects }) => objects.flatMap((chunk) => JSON.parse(Buffer.from(chunk).toString()) as Pod[]));
    expect(crossed.map(({ spec, status }) => [spec !== null, status !== undefined])).toEqual([[true, true], [true, true], [false, true], [false, false], [false, false], [false, false]]);
  });

  it('tells the end of a watch', async () => {
    const soon = new Promise((resolve) => api.watch(ConfigMaps, { namespace, timeoutSeconds: 1 }, { events: () => undefined, closed: (error) => resolve(error ?? 'over') }));
    expect(await soon).toBe('over');
  });

  it('lists what is larger than a message is parsed at once', async () => {
    const big = 'x'.repeat(900_000);
    await Promise.all(Array.from({ length: 12 }, (_, i) => t.api.create(ConfigMaps, { ...map(`big-${i}`, { big }), metadata: { name: `big-${i}`, namespace, labels: { size: 'big' } } })));
    const { items } = await api.list(ConfigMaps, { namespace, labelSelector: 'size=big' });
    expect(items.map(({ metadata, data }) => `${metadata?.name} ${data?.['big']?.length}`).sort()).toEqual(Array.from({ length: 12 }, (_, i) => `big-${i} 900000`).sort());
    expect(carried.at(-1)?.objects.length).toBe(2);
  });

  it('fails when it is closed, or the other thread is gone', async () => {
    const other = thread.client(admin);
    await other.close();
    await expect(other.get(ConfigMaps, { namespace, name: 'x' })).rejects.toMatchObject({ code: 503 });
    const closed = new Promise((resolve) => api.watch(ConfigMaps, { namespace }, { events: () => undefined, closed: (error) => resolve(error?.code) }));
    const pending = api.get(ConfigMaps, { namespace, name: 'unseen' });
    thread.close();
    await expect(pending).rejects.toMatchObject({ code: 503 });
    expect(await closed).toBe(503);
    await expect(api.get(ConfigMaps, { namespace, name: 'unseen' })).rejects.toMatchObject({ code: 503 });
  });
});
