import { ConfigMaps, Pods } from '@orrery/api';
import type { ConfigMap, Pod } from '@orrery/api/types';
import { createEventRecorder, createInformerFactory } from '@orrery/client';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { type AnyController, type ControllerContext, createExpectations, createWriteFence, defineController, newControllerRef, planClaims, runController, slowStart, watch } from './index.ts';

async function start(definition: AnyController) {
  const clock = new VirtualClock();
  const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi(env);
  const informers = createInformerFactory({ api, env });
  const running = runController(definition, { env, api, informers, events: createEventRecorder(env, { api, component: 'test' }) });
  informers.start();
  const synced = informers.whenSynced();
  await clock.advance(10);
  await synced;
  running.start();
  return { api, clock, env, running };
}

const map = (name: string, uid = name): ConfigMap => ({ metadata: { name, namespace: 'a', uid } });
const podOf = (owner: ConfigMap, name: string): Pod => ({ metadata: { name, namespace: 'a', ownerReferences: [newControllerRef(ConfigMaps, owner)] } });

test('changes of an object, of what it owns and of what is watched enqueue it; deletions and creations settle expectations', async () => {
  const seen: string[] = [];
  let context: ControllerContext | undefined;
  const { api, clock } = await start(
    defineController<ConfigMap>({
      name: 'x',
      for: ConfigMaps,
      owns: [Pods],
      rbac: [],
      watches: [watch(Pods, ({ object }) => (object.metadata?.labels?.['watch'] ? ['watched'] : []))],
      async reconcile(key, given) {
        context = given;
        seen.push(key);
      },
    }),
  );
  api.seed(ConfigMaps, map('one'));
  await clock.advance(10);
  context?.expectations.expectCreations('a/one', 1);
  expect(context?.expectations.satisfied('a/one')).toBe(false);
  await api.create(Pods, podOf(map('one'), 'p'));
  await api.create(Pods, podOf(map('one', 'another uid'), 'stranger'));
  await clock.advance(10);
  expect([seen, context?.expectations.satisfied('a/one')]).toEqual([['a/one', 'a/one'], true]);
  context?.expectations.expectDeletions('a/one', [api.find(Pods, 'p', 'a')?.metadata?.uid ?? '']);
  await api.delete(Pods, { namespace: 'a', name: 'p' });
  await api.create(Pods, { metadata: { name: 'w', namespace: 'a', labels: { watch: 'x' } } });
  await clock.advance(10);
  expect([seen.slice(2).sort(), context?.expectations.satisfied('a/one')]).toEqual([['a/one', 'watched'], true]);
});

test('a key that fails, even at once, backs off and hurts no other; stopping waits for what is under way', async () => {
  const tries: Record<string, number> = {};
  let finish: (() => void) | undefined;
  const { api, clock, env, running } = await start(
    defineController<ConfigMap>({
      name: 'x',
      for: ConfigMaps,
      rbac: [],
      reconcile(key) {
        tries[key] = (tries[key] ?? 0) + 1;
        if (key === 'a/bad') throw new Error('synchronous failure');
        if (key === 'a/slow') return new Promise((resolve) => (finish = resolve));
        return Promise.resolve({ requeueAfterMs: 100 });
      },
    }),
  );
  api.seed(ConfigMaps, map('bad'), map('good'), map('slow'));
  await clock.advance(1_005);
  expect(tries['a/good']).toBe(11);
  expect(tries['a/bad']).toBeGreaterThan(5);
  expect(tries['a/bad']).toBeLessThan(12);
  expect(env.metrics.expose()).toContain(`controller_reconcile_errors_total{controller="x"} ${tries['a/bad']}`);
  let stopped = false;
  const stopping = running.stop().then(() => (stopped = true));
  await clock.advance(10);
  expect(stopped).toBe(false);
  finish?.();
  await stopping;
  await clock.advance(10_000);
  expect(tries['a/good']).toBe(11);
});

test('expectations are met when all that was expected has been seen, and when five minutes have passed', async () => {
  const clock = new VirtualClock();
  const expectations = createExpectations(clock);
  expectations.expectCreations('k', 2);
  expectations.creationObserved('k');
  expect(expectations.satisfied('k')).toBe(false);
  await clock.advance(300_000);
  expect(expectations.satisfied('k')).toBe(true);
});

test('a slow start has one call under way, then more with every success, and begins none after a failure', async () => {
  const underWay: { succeed(): void; fail(): void }[] = [];
  const result = slowStart(1000, () => new Promise((resolve, reject) => underWay.push({ succeed: resolve, fail: () => reject(new Error('quota')) })));
  const settle = async (act: 'succeed' | 'fail', count = underWay.length): Promise<number> => {
    for (const call of underWay.splice(0, count)) call[act]();
    await new Promise(setImmediate);
    return underWay.length;
  };
  expect(underWay.length).toBe(1);
  expect([await settle('succeed'), await settle('succeed'), await settle('succeed')]).toEqual([2, 4, 8]);
  // Nobody waits for the slowest of them.
  expect(await settle('succeed', 3)).toBe(11);
  for (const more of [22, 44, 88, 176, 256]) expect(await settle('succeed')).toBe(more);
  expect([await settle('fail', 1), await settle('succeed')]).toEqual([255, 0]);
  expect(await result).toEqual({ succeeded: 606, error: new Error('quota'), remaining: 394 });
});

test('a write fence is passed when the cache shows the write', async () => {
  const clock = new VirtualClock();
  const fence = createWriteFence(clock);
  const store = new Map<string, ConfigMap>();
  const view = { get: (key: string) => store.get(key) } as never;
  const at = (resourceVersion: string): ConfigMap => ({ metadata: { ...map('m').metadata, resourceVersion } });
  fence.wrote('k', at('10'));
  store.set('a/m', at('9'));
  expect(fence.passed('k', view)).toBe(false);
  store.set('a/m', at('11'));
  expect(fence.passed('k', view)).toBe(true);
  fence.deleted('k', at('11'));
  expect(fence.passed('k', view)).toBe(false);
  store.clear();
  expect(fence.passed('k', view)).toBe(true);
});

test('claims: ours that match are kept, ours that do not are released, orphans that match are adopted', () => {
  const owner = map('o');
  const pod = (name: string, app: string, ours: boolean, more: object = {}): Pod => ({ metadata: { ...(ours ? podOf(owner, name).metadata : { name, namespace: 'a' }), labels: { app }, ...more } });
  const claims = planClaims(owner, (labels) => labels?.['app'] === 'x', [pod('kept', 'x', true), pod('left', 'y', true), pod('orphan', 'x', false), pod('going', 'x', false, { deletionTimestamp: 't' }), podOf(map('other'), 'theirs')]);
  const names = (pods: readonly Pod[]) => pods.map((p) => p.metadata?.name);
  expect([names(claims.owned), names(claims.release), names(claims.adopt)]).toEqual([['kept'], ['left'], ['orphan']]);
});
