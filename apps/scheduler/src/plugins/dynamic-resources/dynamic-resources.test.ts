import { DeviceClasses, Nodes, Pods, ResourceClaims, ResourceSlices } from '@orrery/api';
import type { Device, DeviceClaim, Node, Pod, ResourceClaim, ResourceSlice } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { createScheduler } from '../../component.ts';
import { schedulerSchema } from '../../config.ts';

const node = (name: string): Node => ({ metadata: { name, labels: {} }, spec: {}, status: { allocatable: { cpu: '8', memory: '8Gi', pods: '110' } } });

function gpu(name: string, memory: string, more: Partial<Device> = {}): Device {
  return { name, attributes: { model: { string: 'x' }, version: { version: '1.2.0' }, index: { int: Number(name.at(-1)) } }, capacity: { memory: { value: memory } }, ...more };
}

function slice(nodeName: string, devices: Device[], more: Partial<NonNullable<ResourceSlice['spec']>> = {}): ResourceSlice {
  return { metadata: { name: `slice-${nodeName}` }, spec: { driver: 'gpu.example.com', nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices, ...more } };
}

function claim(name: string, devices: DeviceClaim): ResourceClaim {
  return { metadata: { name, namespace: 'default' }, spec: { devices } };
}

const exactly = (count: number, expression?: string): DeviceClaim => ({
  requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count, ...(expression ? { selectors: [{ cel: { expression } }] } : {}) } }],
});

function pod(name: string, ...claims: string[]): Pod {
  return {
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }], resourceClaims: claims.map((resourceClaimName, i) => ({ name: `c${i}`, resourceClaimName })) },
    status: { phase: 'Pending' },
  };
}

async function world(input: { nodes: string[]; slices: ResourceSlice[]; claims: ResourceClaim[]; pods: Pod[] }) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  for (const name of input.nodes) await api.create(Nodes, node(name));
  await api.create(DeviceClasses, { metadata: { name: 'gpu' }, spec: { selectors: [{ cel: { expression: 'device.driver == "gpu.example.com"' } }] } });
  for (const one of input.slices) await api.create(ResourceSlices, one);
  for (const one of input.claims) await api.create(ResourceClaims, one);
  for (const one of input.pods) await api.create(Pods, one);
  const scheduler = createScheduler(env, { api }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  await clock.advance(300);
  const find = (name: string): Pod | undefined => api.find(Pods, name, 'default');
  const devices = (name: string): string[] | undefined => api.find(ResourceClaims, name, 'default')?.status?.allocation?.devices?.results?.map(({ device, pool, request }) => `${request}=${pool}/${device}`);
  const waits = (): string[] => env.metrics.expose().split('\n').filter((line) => /^scheduler_dra_bindingconditions_(allocations_total|wait_duration_seconds_(sum|count))/.test(line));
  return { api, clock, scheduler, find, devices, waits, on: (name: string) => find(name)?.spec?.nodeName, says: (name: string) => find(name)?.status?.conditions?.[0]?.message };
}

const two = [slice('a', [gpu('gpu-0', '8Gi')]), slice('b', [gpu('gpu-0', '16Gi'), gpu('gpu-1', '16Gi')])];

describe('DynamicResources', () => {
  const placed: [string, DeviceClaim, string, string[]][] = [
    ['enough devices', exactly(2), 'b', ['r=b/gpu-0', 'r=b/gpu-1']],
    ['a capacity', exactly(1, 'device.capacity["gpu.example.com"].memory.compareTo(quantity("10Gi")) > 0'), 'b', ['r=b/gpu-0']],
    ['an attribute', exactly(1, 'device.attributes["gpu.example.com"].index == 1'), 'b', ['r=b/gpu-1']],
    ['a version', exactly(2, 'device.attributes["gpu.example.com"].version.isGreaterThan(semver("1.0.0"))'), 'b', ['r=b/gpu-0', 'r=b/gpu-1']],
    [
      'the first alternative that can be had',
      { requests: [{ name: 'r', firstAvailable: [{ name: 'many', deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 3 }, { name: 'few', deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 2 }] }] },
      'b',
      ['r/few=b/gpu-0', 'r/few=b/gpu-1'],
    ],
    [
      'devices that differ',
      { requests: [...(exactly(1).requests ?? []), { name: 's', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 } }], constraints: [{ distinctAttribute: 'gpu.example.com/index' }] },
      'b',
      ['r=b/gpu-0', 's=b/gpu-1'],
    ],
  ];
  it.each(placed)('finds a node with %s', async (_name, devices, expected, results) => {
    const { on, devices: of, api, find, scheduler } = await world({ nodes: ['a', 'b'], slices: two, claims: [claim('c', devices)], pods: [pod('p', 'c')] });
    expect([on('p'), of('c')]).toEqual([expected, results]);
    expect(api.find(ResourceClaims, 'c', 'default')).toMatchObject({
      metadata: { finalizers: ['resource.kubernetes.io/delete-protection'] },
      status: { reservedFor: [{ resource: 'pods', name: 'p', uid: find('p')?.metadata?.uid }], allocation: { nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [expected] }] }] } } },
    });
    await scheduler.stop();
  });

  const refused: [string, ResourceClaim[], ResourceSlice[], string][] = [
    ['too few devices', [claim('c', exactly(3))], two, '0/2 nodes are available: 2 cannot allocate all claims.'],
    ['tainted devices', [claim('c', exactly(1))], [slice('a', [gpu('gpu-0', '1Gi', { taints: [{ key: 'k', effect: 'NoSchedule' }] })])], '0/2 nodes are available: 2 cannot allocate all claims.'],
    ['a pool that is not complete', [claim('c', exactly(1))], [slice('a', [gpu('gpu-0', '1Gi')], { pool: { name: 'a', generation: 1, resourceSliceCount: 2 } })], '0/2 nodes are available: 2 cannot allocate all claims.'],
    ['an unknown class', [claim('c', { requests: [{ name: 'r', exactly: { deviceClassName: 'tpu' } }] })], two, '0/2 nodes are available: request r: device class tpu does not exist.'],
    ['a selector that fails', [claim('c', exactly(1, 'device.attributes["gpu.example.com"].colour == "red"'))], two, 'CEL runtime error: no such key: colour'],
    [
      'attributes that do not match',
      [claim('c', { ...exactly(2), constraints: [{ matchAttribute: 'gpu.example.com/index' }] })],
      two,
      '0/2 nodes are available: 2 cannot allocate all claims.',
    ],
  ];
  it.each(refused)('refuses nodes for %s', async (_name, claims, slices, message) => {
    const { on, says, scheduler } = await world({ nodes: ['a', 'b'], slices, claims, pods: [pod('p', 'c')] });
    expect(on('p')).toBeUndefined();
    expect(says('p')).toContain(message);
    await scheduler.stop();
  });

  const onGone = (reservedFor: NonNullable<ResourceClaim['status']>['reservedFor']): ResourceClaim => ({
    ...claim('c', exactly(1)),
    status: {
      ...(reservedFor ? { reservedFor } : {}),
      allocation: { devices: { results: [{ request: 'r', driver: 'gpu.example.com', pool: 'a', device: 'gpu-0' }] }, nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['gone'] }] }] } },
    },
  });

  it('gives back the devices of a claim that nobody uses where the pod cannot run', async () => {
    const { on, devices, clock, scheduler } = await world({ nodes: ['b'], slices: two, claims: [onGone(undefined)], pods: [pod('p', 'c')] });
    await clock.advance(5_000);
    expect([on('p'), devices('c')]).toEqual(['b', ['r=b/gpu-0']]);
    await scheduler.stop();
  });

  it('leaves the devices of a claim that others use', async () => {
    const { on, says, clock, scheduler } = await world({ nodes: ['b'], slices: two, claims: [onGone([{ resource: 'pods', name: 'other', uid: 'u' }])], pods: [pod('p', 'c')] });
    await clock.advance(5_000);
    expect([on('p'), says('p')]).toEqual([undefined, '0/1 nodes are available: 1 resourceclaim not available on the node. still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.']);
    await scheduler.stop();
  });

  it('gives a device to one claim at a time, also before the API shows it, and waits for it to come back', async () => {
    const { on, api, clock, devices, scheduler } = await world({ nodes: ['a'], slices: [slice('a', [gpu('gpu-0', '1Gi')])], claims: [claim('c', exactly(1)), claim('d', exactly(1))], pods: [pod('p', 'c'), pod('q', 'd')] });
    const [winner, loser] = on('p') ? (['c', 'q'] as const) : (['d', 'p'] as const);
    expect([on('p'), on('q')].filter(Boolean)).toEqual(['a']);
    api.setStatus(ResourceClaims, { namespace: 'default', name: winner }, { allocation: null, reservedFor: [] });
    const { metadata } = api.find(ResourceClaims, winner, 'default') ?? {};
    await api.update(ResourceClaims, { metadata: { ...metadata, finalizers: [] }, spec: {} });
    await api.delete(ResourceClaims, { namespace: 'default', name: winner });
    await clock.advance(20_000);
    expect(on(loser)).toBe('a');
    expect(devices(loser === 'q' ? 'd' : 'c')).toEqual(['r=a/gpu-0']);
    await scheduler.stop();
  });

  it('gives parts of a device that may be shared, as far as its capacity goes', async () => {
    const requestPolicy = { default: '2Gi', validRange: { min: '1Gi', step: '1Gi' } };
    const shared: Device = { ...gpu('gpu-0', '10Gi'), allowMultipleAllocations: true, capacity: { memory: { value: '10Gi', requestPolicy } } };
    const part = (name: string, memory?: string): ResourceClaim => claim(name, { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1, ...(memory ? { capacity: { requests: { memory } } } : {}) } }] });
    const names = ['odd', 'whole', 'much', 'plain'];
    const { on, api, clock, says, scheduler } = await world({ nodes: ['a'], slices: [slice('a', [shared])], claims: [part('odd', '3500Mi'), part('whole', '4Gi'), part('much', '3Gi'), part('plain')], pods: [] });
    for (const name of names) {
      await api.create(Pods, pod(name, name));
      await clock.advance(1_000);
    }
    const results = (name: string) => api.find(ResourceClaims, name, 'default')?.status?.allocation?.devices?.results;
    expect(names.map(on)).toEqual(['a', 'a', undefined, 'a']);
    expect(says('much')).toContain('cannot allocate all claims');
    expect(names.map((name) => results(name)?.[0]?.consumedCapacity)).toEqual([{ memory: '4Gi' }, { memory: '4Gi' }, undefined, { memory: '2Gi' }]);
    expect(new Set(['odd', 'whole', 'plain'].map((name) => results(name)?.[0]?.shareID)).size).toBe(3);
    await scheduler.stop();
  });

  it('gives one claim a shared device twice, unless its parts are to be of different ones', async () => {
    const shared = (name: string): Device => gpu(name, '8Gi', { allowMultipleAllocations: true });
    const half = (name: string, more: Partial<DeviceClaim> = {}): ResourceClaim => claim(name, { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 2, capacity: { requests: { memory: '2Gi' } } } }], ...more });
    const { devices, scheduler } = await world({ nodes: ['a'], slices: [slice('a', [shared('gpu-0'), shared('gpu-1')])], claims: [half('same'), half('apart', { constraints: [{ distinctAttribute: 'gpu.example.com/index' }] })], pods: [pod('p', 'same'), pod('q', 'apart')] });
    expect([devices('same'), devices('apart')]).toEqual([['r=a/gpu-0', 'r=a/gpu-0'], ['r=a/gpu-0', 'r=a/gpu-1']]);
    await scheduler.stop();
  });

  const slow: Partial<Device> = { bindsToNode: true, bindingConditions: ['example.com/ready'], bindingFailureConditions: ['example.com/broken'] };
  const told = (type: string) => [{ type, status: 'True', reason: 'x', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }];

  it('binds a pod only when its devices are ready, and prefers those that are', async () => {
    const { on, api, clock, devices, waits, scheduler } = await world({ nodes: ['a'], slices: [slice('a', [gpu('gpu-0', '1Gi', slow), gpu('gpu-1', '1Gi')])], claims: [claim('c', exactly(1)), claim('d', exactly(1))], pods: [pod('p', 'c')] });
    expect([on('p'), devices('c')]).toEqual(['a', ['r=a/gpu-1']]);
    await api.create(Pods, pod('q', 'd'));
    await clock.advance(30_000);
    const { status } = api.find(ResourceClaims, 'd', 'default') ?? {};
    expect([on('q'), status?.allocation?.devices?.results]).toMatchObject([undefined, [{ device: 'gpu-0', bindingConditions: ['example.com/ready'], bindingFailureConditions: ['example.com/broken'] }]]);
    api.setStatus(ResourceClaims, { namespace: 'default', name: 'd' }, { devices: [{ driver: 'gpu.example.com', pool: 'a', device: 'gpu-0', conditions: told('example.com/ready') }] });
    expect(waits()).toEqual([]);
    await clock.advance(2_000);
    expect(on('q')).toBe('a');
    const labels = '{driver="gpu.example.com",profile="default-scheduler",status="success"}';
    const name = 'scheduler_dra_bindingconditions_';
    expect(waits()).toEqual([`${name}allocations_total${labels} 1`, expect.stringMatching(/_sum.* 3[01](\.\d+)?$/), `${name}wait_duration_seconds_count${labels} 1`]);
    await scheduler.stop();
  });

  it.each([
    ['fails', 5_000, 'binding of a device failed: gpu.example.com/a/gpu-0: example.com/broken', 'failure'],
    ['is not heard of for ten minutes', 601_000, 'device binding timeout', 'timeout'],
  ])('gives a device back that %s', async (what, afterMs, message, outcome) => {
    const { on, api, clock, says, waits, scheduler } = await world({ nodes: ['a'], slices: [slice('a', [gpu('gpu-0', '1Gi', slow)])], claims: [claim('c', exactly(1))], pods: [pod('p', 'c')] });
    const find = () => api.find(ResourceClaims, 'c', 'default');
    expect(find()?.status?.allocation?.allocationTimestamp).toBeDefined();
    if (what === 'fails') api.setStatus(ResourceClaims, { namespace: 'default', name: 'c' }, { devices: [{ driver: 'gpu.example.com', pool: 'a', device: 'gpu-0', conditions: told('example.com/broken') }] });
    // It is taken again at once, there being no other.
    const allocations = new Set<string | undefined>();
    const messages = new Set<string | undefined>();
    for (let ms = 0; ms < afterMs; ms += 500) {
      await clock.advance(500);
      allocations.add(find()?.status?.allocation?.allocationTimestamp);
      messages.add(says('p'));
    }
    expect(on('p')).toBeUndefined();
    expect([...messages].some((text) => text?.includes(message))).toBe(true);
    expect(allocations.size).toBeGreaterThan(1);
    expect(waits()[0]).toContain(`status="${outcome}"} 1`);
    await scheduler.stop();
  });

  it('shares an allocated claim on its node, and waits for claims that are not there', async () => {
    const { on, api, clock, find, says, scheduler } = await world({ nodes: ['a', 'b'], slices: two, claims: [claim('c', exactly(2))], pods: [pod('p', 'c'), pod('q', 'c'), pod('late', 'missing')] });
    expect([on('p'), says('late')]).toEqual(['b', undefined]);
    await clock.advance(5_000);
    expect(on('q')).toBe('b');
    expect(api.find(ResourceClaims, 'c', 'default')?.status?.reservedFor?.map(({ name }) => name).sort()).toEqual(['p', 'q']);
    await api.create(ResourceClaims, claim('missing', exactly(1)));
    await clock.advance(5_000);
    expect(find('late')?.spec?.nodeName).toBe('a');
    await scheduler.stop();
  });
});
