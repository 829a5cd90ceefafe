import type { Pod } from '@orrery/api/types';
import { VirtualClock } from '@orrery/runtime';
import { expect, it } from 'vitest';
import type { KubeletContext } from '../kubelet-context.ts';
import { deleteFromApi, letGo } from './pod-removal.ts';

const pod = (owner?: string): Pod => ({ metadata: { name: 'a', namespace: 'b', uid: 'u', ...(owner ? { ownerReferences: [{ apiVersion: 'apps/v1', kind: owner, name: 'o', uid: 'o', controller: true }] } : {}) } });

it.each([['StatefulSet', 250], ['ReplicaSet', 0], [undefined, 0]] as const)('shows the pod of a %s for %i ms after its end, for those who wait for it by name', async (owner, ms) => {
  const clock = new VirtualClock();
  const from = clock.monotonic();
  let at: number | undefined;
  const api = { delete: () => Promise.resolve(void (at = clock.monotonic() - from)) };
  const done = deleteFromApi({ api, env: { clock } } as unknown as KubeletContext, pod(owner));
  await clock.advance(1000);
  await done;
  expect(at).toBe(ms);
});

const going = (more: object = {}): Pod => ({ metadata: { ...pod().metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0, ...more } });

it('gives a pod that is deleted without time a moment to go, and one that something holds none', async () => {
  const clock = new VirtualClock();
  const context = { env: { clock } } as unknown as KubeletContext;
  const from = clock.monotonic();
  const gone = new AbortController();
  clock.after(10, () => gone.abort(new Error('gone')));
  await Promise.all([expect(letGo(context, going(), gone.signal)).rejects.toThrow('gone'), clock.advance(10)]);
  const { signal } = new AbortController();
  for (const stays of [pod(), going({ finalizers: ['example.com/held'] }), going({ deletionGracePeriodSeconds: 30 })]) await letGo(context, stays, signal);
  expect(clock.monotonic() - from).toBe(10);
  await Promise.all([letGo(context, going(), signal), clock.advance(200)]);
});
