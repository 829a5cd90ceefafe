import { DeviceClasses, Nodes, Pods, ResourceClaims, ResourceSlices } from '@orrery/api';
import type { DeviceClass, Node, Pod, ResourceSlice } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createScheduler } from '../../component.ts';
import { schedulerSchema } from '../../config.ts';

const gpus = 'example.com/gpu';
const node = (name: string, own: Record<string, string> = {}): Node => ({ metadata: { name, labels: {} }, spec: {}, status: { allocatable: { cpu: '8', memory: '8Gi', pods: '110', ...own } } });
const slice = (nodeName: string, count: number): ResourceSlice => ({
  metadata: { name: `slice-${nodeName}` },
  spec: { driver: 'gpu.example.com', nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices: Array.from({ length: count }, (_, i) => ({ name: `gpu-${i}` })) },
});
const deviceClass: DeviceClass = { metadata: { name: 'gpu' }, spec: { extendedResourceName: gpus, selectors: [{ cel: { expression: 'device.driver == "gpu.example.com"' } }] } };

function pod(name: string, ...amounts: Record<string, string>[]): Pod {
  return { metadata: { name, namespace: 'default' }, spec: { containers: amounts.map((requests, i) => ({ name: `c${i}`, image: 'i', resources: { requests, limits: requests } })) }, status: { phase: 'Pending' } };
}

async function world(input: { nodes: Node[]; slices: ResourceSlice[]; classes?: DeviceClass[]; pods: Pod[] }) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const api = createFakeApi({ clock, random });
  for (const one of input.nodes) await api.create(Nodes, one);
  for (const one of input.classes ?? [deviceClass]) await api.create(DeviceClasses, one);
  for (const one of input.slices) await api.create(ResourceSlices, one);
  for (const one of input.pods) await api.create(Pods, one);
  const scheduler = createScheduler({ clock, random, log: silentLogger, metrics: createMetrics() }, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  await clock.advance(300);
  const find = (name: string) => api.find(Pods, name, 'default');
  const claimOf = (name: string) => api.find(ResourceClaims, find(name)?.status?.extendedResourceClaimStatus?.resourceClaimName ?? '', 'default');
  return { api, clock, scheduler, find, claimOf, on: (name: string) => find(name)?.spec?.nodeName, says: (name: string) => find(name)?.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message };
}

test('a claim is made for extended resources that only devices can meet, one request a container', async () => {
  const { on, find, claimOf, scheduler } = await world({ nodes: [node('a'), node('b')], slices: [slice('a', 2), slice('b', 3)], pods: [pod('p', { cpu: '1', [gpus]: '2' }, { [gpus]: '1' })] });
  expect(on('p')).toBe('b');
  expect(find('p')?.status?.extendedResourceClaimStatus?.requestMappings).toEqual([
    { containerName: 'c0', resourceName: gpus, requestName: 'container-0-request-1' },
    { containerName: 'c1', resourceName: gpus, requestName: 'container-1-request-0' },
  ]);
  expect(claimOf('p')).toMatchObject({
    metadata: { annotations: { 'resource.kubernetes.io/extended-resource-claim': 'true' }, finalizers: ['resource.kubernetes.io/delete-protection'], ownerReferences: [{ kind: 'Pod', name: 'p', controller: true }] },
    spec: { devices: { requests: [{ name: 'container-0-request-1', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 2 } }, { name: 'container-1-request-0', exactly: { count: 1 } }] } },
    status: { reservedFor: [{ resource: 'pods', name: 'p' }], allocation: { devices: { results: [{ pool: 'b' }, { pool: 'b' }, { pool: 'b' }] } } },
  });
  await scheduler.stop();
});

test('a node that has the resource itself takes the pod without a claim', async () => {
  const { on, claimOf, scheduler } = await world({ nodes: [node('a', { [gpus]: '1' })], slices: [slice('a', 1)], pods: [pod('p', { [gpus]: '1' }), pod('q', { [gpus]: '1' })] });
  expect([on('p'), on('q')].filter(Boolean)).toEqual(['a']);
  expect(claimOf('p') ?? claimOf('q')).toBeUndefined();
  await scheduler.stop();
});

test('every class is a resource by its own name', async () => {
  const { on, scheduler } = await world({ nodes: [node('a')], slices: [slice('a', 1)], pods: [pod('p', { 'deviceclass.resource.kubernetes.io/gpu': '1' })] });
  expect(on('p')).toBe('a');
  await scheduler.stop();
});

test('devices are given once, and wait for the pod that had them', async () => {
  const { api, clock, on, says, claimOf, scheduler } = await world({ nodes: [node('a')], slices: [slice('a', 1)], pods: [pod('p', { [gpus]: '1' }), pod('q', { [gpus]: '1' })] });
  const [winner, loser] = on('p') ? ['p', 'q'] : ['q', 'p'];
  expect(says(loser)).toMatch(/^0\/1 nodes are available: 1 cannot allocate all claims\. still not schedulable, preemption: /);
  const claim = claimOf(winner);
  await api.delete(Pods, { namespace: 'default', name: winner });
  api.setStatus(ResourceClaims, { namespace: 'default', name: claim?.metadata?.name ?? '' }, { allocation: null, reservedFor: [] });
  await clock.advance(30_000);
  expect(on(loser)).toBe('a');
  await scheduler.stop();
});

test('a class that comes later opens the nodes to pods that wait', async () => {
  const { api, clock, on, says, scheduler } = await world({ nodes: [node('a')], classes: [], slices: [slice('a', 2)], pods: [pod('p', { [gpus]: '1' }), pod('q', { [gpus]: '1' })] });
  expect(says('p')).toContain('0/1 nodes are available: 1 Insufficient example.com/gpu.');
  await api.create(DeviceClasses, deviceClass);
  await clock.advance(30_000);
  expect([on('p'), on('q')]).toEqual(['a', 'a']);
  await scheduler.stop();
});

test('a claim goes when its pod cannot be bound, and is made anew', async () => {
  const { api, clock, on, scheduler } = await world({ nodes: [node('a')], slices: [slice('a', 1)], pods: [] });
  const patch = api.patch.bind(api);
  let failures = 1;
  api.patch = ((resource, key, body, options) => (options.subresource === 'status' && (body as Pod).status?.extendedResourceClaimStatus && failures-- > 0 ? Promise.reject(new Error('lost')) : patch(resource, key, body, options))) as typeof api.patch;
  await api.create(Pods, pod('p', { [gpus]: '1' }));
  await clock.advance(400);
  expect(on('p')).toBeUndefined();
  await clock.advance(30_000);
  expect(on('p')).toBe('a');
  expect((await api.list(ResourceClaims)).items.filter(({ metadata }) => !metadata?.deletionTimestamp)).toHaveLength(1);
  await scheduler.stop();
});

test('a pod goes as soon as its status names the claim that was made for it', async () => {
  const waiting: Pod = { ...pod('p', { cpu: '1' }), spec: { containers: [{ name: 'c', image: 'i' }], resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }] } };
  const { api, clock, on, scheduler } = await world({ nodes: [node('a')], slices: [slice('a', 1)], pods: [waiting] });
  await api.create(ResourceClaims, { metadata: { name: 'p-gpu-x', namespace: 'default' }, spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 } }] } } });
  await clock.advance(100);
  expect(on('p')).toBeUndefined();
  await api.patch(Pods, { namespace: 'default', name: 'p' }, { status: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'p-gpu-x' }] } }, { type: 'application/merge-patch+json', subresource: 'status' });
  await clock.advance(100);
  expect(on('p')).toBe('a');
  await scheduler.stop();
});
