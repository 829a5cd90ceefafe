import { Events, Pods, ResourceClaims, ResourceSlices } from '@orrery/api';
import type { DeviceTaint, DeviceToleration, Pod, ResourceClaim, ResourceSlice } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { evictionTime } from './device-taint-eviction.ts';

const pod = (name: string): Pod => ({ metadata: { name, namespace: 'd', uid: `uid-${name}` }, spec: { nodeName: 'n', containers: [], resourceClaims: [{ name: 'gpu', resourceClaimName: `claim-${name}` }] }, status: { phase: 'Running' } });
const claim = (name: string, tolerations: DeviceToleration[] = []): ResourceClaim => ({
  metadata: { name: `claim-${name}`, namespace: 'd' },
  spec: {},
  status: { reservedFor: [{ resource: 'pods', name, uid: `uid-${name}` }], allocation: { devices: { results: [{ request: 'r', driver: 'x', pool: 'p', device: 'gpu0', tolerations }] } } },
});
const slice = (taints: DeviceTaint[], generation = 1): ResourceSlice => ({ metadata: { name: 's' }, spec: { driver: 'x', pool: { name: 'p', generation, resourceSliceCount: 1 }, nodeName: 'n', devices: [{ name: 'gpu0', taints }] } });

test.each<[string, DeviceToleration[], number | undefined]>([
  ['nothing tolerates it: since it is there', [], 5000],
  ['it is tolerated', [{ operator: 'Exists' }], undefined],
  ['it is tolerated for a time, the least counts', [{ key: 'broken', operator: 'Exists', tolerationSeconds: 30 }, { operator: 'Exists', tolerationSeconds: 60 }], 35_000],
  ['another value is tolerated', [{ key: 'broken', value: 'other' }], 5000],
  ['another effect is tolerated', [{ key: 'broken', operator: 'Exists', effect: 'NoSchedule' }], 5000],
])('a pod has to leave a tainted device when %s', (_what, tolerations, expected) => {
  const taint = { key: 'broken', value: 'very', effect: 'NoExecute', timeAdded: rfc3339(5000) };
  expect(evictionTime(pod('a'), { claims: [claim('a', tolerations)], taintsOf: () => [taint], nowMs: 9000 })).toBe(expected);
  expect(evictionTime({ ...pod('a'), status: { phase: 'Succeeded' } }, { claims: [claim('a', tolerations)], taintsOf: () => [taint], nowMs: 9000 })).toBeUndefined();
});

test('pods are evicted when their time is up, and spared when the taint goes before', async () => {
  const { api, clock } = await startManager({ controllers: ['device-taint-eviction-controller'] });
  const wait = (seconds: number): DeviceToleration[] => [{ operator: 'Exists', tolerationSeconds: seconds }];
  api.seed(ResourceClaims, claim('now'), claim('soon', wait(10)), claim('later', wait(60)));
  for (const name of ['now', 'soon', 'later']) api.seed(Pods, pod(name));
  api.seed(ResourceSlices, slice([]));
  await clock.advance(1000);
  const left = () => api.objects(Pods).filter(({ metadata }) => !metadata?.deletionTimestamp).map(({ metadata }) => metadata?.name);
  expect(left()).toHaveLength(3);
  await api.update(ResourceSlices, { ...slice([{ key: 'broken', effect: 'NoExecute', timeAdded: rfc3339(clock.now()) }]), metadata: api.objects(ResourceSlices)[0]?.metadata ?? {} });
  await clock.advance(1000);
  expect(left().sort()).toEqual(['later', 'soon']);
  await clock.advance(10_000);
  expect(left()).toEqual(['later']);
  await api.update(ResourceSlices, { ...slice([], 2), metadata: api.objects(ResourceSlices)[0]?.metadata ?? {} });
  await clock.advance(100_000);
  expect(left()).toEqual(['later']);
  expect(api.objects(Events).map(({ involvedObject, reason, message }) => `${involvedObject?.name ?? ''} ${reason ?? ''} ${message ?? ''}`)).toEqual([
    'now DeviceTaintManagerEviction Marking for deletion', 'soon DeviceTaintManagerEviction Marking for deletion', 'later DeviceTaintManagerEviction Cancelling deletion',
  ]);
});
