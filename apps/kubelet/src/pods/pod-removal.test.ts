import type { Pod } from '@orrery/api/types';
import { VirtualClock } from '@orrery/runtime';
import { expect, it } from 'vitest';
import type { KubeletContext } from '../kubelet-context.ts';
import { deleteFromApi } from './pod-removal.ts';

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
