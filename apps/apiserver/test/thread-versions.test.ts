import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { type ApiClient, type Crossing, ThreadApi, type ThreadAnswers, type ThreadLink, type ThreadNews, type WatchEvent, type WatchOptions } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { type Random, seededRandom } from '@orrery/runtime';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { losesLeaders } from './stores.ts';
import { admin, eventually, startTestServer } from './test-server.ts';

const seed = Number(process.env['ORRERY_SEED']) || 1;
const namespaces = ['a', 'b'];
const names = ['p', 'q', 'r'];
const link = <In, Out>(port: MessagePort): ThreadLink<In, Out> => ({ post: (message, transfer = []) => port.postMessage(message, [...transfer]), receive: (use) => void port.on('message', use) });

const pod = (namespace: string, name: string, round: number): Pod => ({ metadata: { name, namespace, labels: { even: String(round % 2 === 0) } }, spec: { containers: [{ name: 'c', image: `i${round}` }] } });

/** A change may fail because the Pod is not there, or is already, or another was quicker; where the store loses its leaders, an answer may say no more than that nobody knows. */
function tolerate(error: unknown): void {
  if (!(error instanceof StatusError) || !(error.code === 404 || error.code === 409 || (losesLeaders() && error.code >= 500))) throw error;
}

/** One change at random. */
async function change(api: ApiClient, random: Random, round: number): Promise<void> {
  const pick = <T>(all: readonly T[]): T => all[random.int(all.length)] as T;
  const key = { namespace: pick(namespaces), name: pick(names) };
  const merge = { type: 'application/merge-patch+json' } as const;
  const changes = [
    () => api.create(Pods, pod(key.namespace, key.name, round)),
    () => api.patch(Pods, key, { status: { message: `m${round % 3}` } }, { ...merge, subresource: 'status' }),
    () => api.patch(Pods, key, { status: { message: `m${round}` } }, { ...merge, subresource: 'status' }),
    () => api.patch(Pods, key, { metadata: { labels: { even: String(round % 2 === 0) } } }, merge),
    () => api.patch(Pods, key, { spec: { containers: [{ name: 'c', image: `i${round}` }] } }, merge),
    () => api.createSubresource(Pods, key, 'binding', { target: { kind: 'Node', name: `n${round % 2}` } }),
    () => api.delete(Pods, key, { gracePeriodSeconds: random.next() < 0.5 ? 0 : 30 }),
  ];
  await pick(changes)().catch(tolerate);
}

const shown = ({ type, object }: WatchEvent<Pod>): [string, Pod] => {
  const { managedFields: _, ...metadata } = object.metadata as { managedFields?: unknown };
  return [type, { ...object, metadata }];
};

interface Follower {
  readonly options: WatchOptions;
  readonly from: string;
  readonly seen: WatchEvent<Pod>[];
  stop(): void;
}

/** From a revision on, or from what is there at some moment (`from` empty). */
function follow(api: ApiClient, options: WatchOptions, from: string): Follower {
  const seen: WatchEvent<Pod>[] = [];
  const { stop } = api.watch(Pods, { ...options, ...(from ? { resourceVersion: from } : {}) }, { events: (batch) => void seen.push(...batch), closed: (error) => { if (error) throw error; } });
  return { options, from, seen, stop };
}

/** What watches choose from: two of everything, so that one is told what the other was already. */
const choices: readonly WatchOptions[] = [{}, {}, { namespace: 'a' }, { labelSelector: 'even=true' }, { fieldSelector: 'spec.nodeName=n1' }];

describe('objects that cross in parts', () => {
  it('are what they are in the thread of the server, whoever watches, stops and reads', async () => {
    const random = seededRandom(seed);
    const allowed = { decision: 'allow', reason: '' } as const;
    // Between a watch's request and its start something may happen.
    const slow = { name: 'slow', authorize: ({ info }: { info: { verb: string } }) => (info.verb === 'watch' ? new Promise<typeof allowed>((resolve) => setTimeout(() => resolve(allowed), random.int(4))) : allowed) };
    const t = await startTestServer({}, { plugins: [() => ({ authorizers: [slow] })] });
    const { port1, port2 } = new MessageChannel();
    t.server.serveThread(link(port1), setImmediate);
    const crossed: Crossing[] = [];
    port2.on('message', ({ news }: ThreadAnswers) => crossed.push(...(JSON.parse(news) as ThreadNews).objects));
    const far = new ThreadApi(link(port2), setImmediate).client({ ...admin, program: 'far' });
    const near = t.server.client(admin);
    const live: Follower[] = [];
    const pairs: [Follower, Follower][] = [];
    // Which moment they begin at depends on who is quicker.
    const unsure: Follower[] = [];
    const all = follow(near, {}, (await near.list(Pods, {})).resourceVersion);
    const open = async (): Promise<void> => {
      const options = choices[random.int(choices.length)] as WatchOptions;
      if (random.next() < 0.3) {
        const one = follow(far, options, '');
        live.push(one);
        unsure.push(one);
        return;
      }
      const from = (await near.list(Pods, {})).resourceVersion;
      const both: [Follower, Follower] = [follow(far, options, from), follow(near, options, from)];
      live.push(both[0]);
      pairs.push(both);
    };
    for (let round = 0; round < 300; round++) {
      if (round % 5 === 0) await open();
      // Some at once, so that a batch has several versions of one.
      const burst = Array.from({ length: 1 + random.int(6) }, (_, i) => change(random.next() < 0.5 ? far : near, random, round * 10 + i));
      if (random.next() < 0.1) live.splice(random.int(live.length), 1)[0]?.stop();
      if (random.next() < 0.3) {
        const { items } = await far.list(Pods, {});
        for (const { spec, kind } of items) expect([kind, spec?.containers?.length]).toEqual(['Pod', 1]);
      }
      await Promise.all(burst);
    }
    const end = { namespace: 'a', name: 'end' };
    const ended = async (): Promise<boolean> => {
      await near.create(Pods, pod(end.namespace, end.name, 0)).catch(tolerate);
      await near.createSubresource(Pods, end, 'binding', { target: { kind: 'Node', name: 'n1' } }).catch(tolerate);
      return (await near.get(Pods, end)).spec?.nodeName === 'n1';
    };
    await eventually(ended, 'the last Pod');
    const isAtEnd = ({ seen }: Follower): boolean => seen.some(({ object }) => object.metadata?.name === 'end' && object.spec?.nodeName === 'n1');
    await eventually(() => live.every(isAtEnd) && isAtEnd(all) && pairs.every(([, reference]) => isAtEnd(reference)), 'every watch at the end');
    let compared = 0;
    for (const [one, reference] of pairs) {
      expect(one.seen.map(shown)).toEqual(reference.seen.map(shown).slice(0, one.seen.length));
      if (live.includes(one)) expect(one.seen).toHaveLength(reference.seen.length);
      compared += one.seen.length;
    }
    expect(compared).toBeGreaterThan(500);
    const versions = new Map(all.seen.map(({ object }) => [object.metadata?.resourceVersion, shown({ type: 'ADDED', object })[1]]));
    const known = unsure.flatMap(({ seen }) => seen).filter(({ type, object }) => type !== 'DELETED' && versions.has(object.metadata?.resourceVersion));
    for (const { object } of known) expect(shown({ type: 'ADDED', object })[1]).toEqual(versions.get(object.metadata?.resourceVersion));
    expect(known.length).toBeGreaterThan(100);
    const inParts = crossed.filter((one) => Array.isArray(one) && one.length === 4);
    const notAtAll = crossed.filter((one) => Array.isArray(one) && one.length === 3);
    expect([inParts.length, notAtAll.length]).toEqual([expect.toSatisfy((count: number) => count > 50), expect.toSatisfy((count: number) => count > 50)]);
    expect((await far.list(Pods, {})).items.map((object) => shown({ type: 'ADDED', object }))).toEqual((await near.list(Pods, {})).items.map((object) => shown({ type: 'ADDED', object })));
    for (const { stop } of [all, ...unsure, ...pairs.flat()]) stop();
    for (const port of [port1, port2]) port.close();
    await t.stop();
  });
});
