import { Nodes } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { describe, expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { type Observations, judgePressure, noPressure } from './pressure.ts';
import { type Candidate, rankForEviction } from './ranking.ts';
import { storageExcess } from './local-storage.ts';
import { type Signal, parseThresholds } from './thresholds.ts';

const Mi = 1024 ** 2;
const Gi = 1024 ** 3;
const nothing = { soft: {}, softGracePeriods: {}, minimumReclaims: {} };
const seen = (signal: Signal, available: number, capacity = 10 * Gi): Observations => new Map([[signal, { available, capacity }]]);

describe('thresholds', () => {
  test.each([
    [{ 'memory.available': '0' }, 'eviction threshold memory.available must be positive: 0'],
    [{ 'memory.available': '-1Gi' }, 'eviction threshold memory.available must be positive: -1Gi'],
    [{ 'nodefs.available': '120%' }, 'eviction percentage threshold nodefs.available must be <= 100%: 120%'],
    [{ 'nodefs.available': '-2%' }, 'eviction percentage threshold nodefs.available must be >= 0%: -2%'],
    [{ 'disk.free': '1Gi' }, 'unsupported eviction signal disk.free'],
  ])('%j is refused', (hard, message) => {
    expect(() => parseThresholds({ ...nothing, hard: hard as unknown as Record<string, string> })).toThrow(new Error(message));
  });

  test('0% and 100% are ignored; what holds for the node\'s memory holds for the share of the pods', () => {
    expect(parseThresholds({ ...nothing, hard: { 'nodefs.available': '0%', 'imagefs.available': '100%' } })).toEqual([]);
    expect(parseThresholds({ ...nothing, hard: { 'memory.available': '100Mi' } }).map(({ signal }) => signal)).toEqual(['memory.available', 'allocatableMemory.available']);
  });
});

describe('pressure', () => {
  const thresholds = parseThresholds({ hard: { 'nodefs.available': '1Gi' }, soft: { 'memory.available': '2Gi' }, softGracePeriods: { 'memory.available': '30s' }, minimumReclaims: { 'nodefs.available': '500Mi' } });
  const look = (memory: typeof noPressure, observations: Observations, nowMs: number) => judgePressure(memory, { thresholds, observations, nowMs, transitionMs: 60_000 });

  test('a soft threshold is due after its grace period; the condition is there at once', () => {
    let verdict = look(noPressure, seen('memory.available', 1.9 * Gi), 0);
    expect([verdict.conditions, verdict.due]).toEqual([['MemoryPressure'], []]);
    verdict = look(verdict.memory, seen('memory.available', 1.9 * Gi), 29_000);
    expect(verdict.due).toEqual([]);
    verdict = look(verdict.memory, seen('memory.available', 1.9 * Gi), 30_000);
    expect(verdict.due.map(({ signal }) => signal)).toEqual(['memory.available']);
    // A moment of relief begins the grace period anew.
    verdict = look(look(verdict.memory, seen('memory.available', 2.1 * Gi), 31_000).memory, seen('memory.available', 1.9 * Gi), 32_000);
    expect(verdict.due).toEqual([]);
  });

  test('reclaiming goes on until the minimum is free; the condition outlives it by the transition period', () => {
    let verdict = look(noPressure, seen('nodefs.available', 0.9 * Gi), 0);
    expect(verdict.due).toHaveLength(1);
    verdict = look(verdict.memory, seen('nodefs.available', 1.2 * Gi), 10_000);
    expect(verdict.due).toHaveLength(1);
    verdict = look(verdict.memory, seen('nodefs.available', 1.6 * Gi), 20_000);
    expect([verdict.due, verdict.conditions]).toEqual([[], ['DiskPressure']]);
    verdict = look(verdict.memory, seen('nodefs.available', 1.2 * Gi), 69_000);
    expect(verdict.conditions).toEqual(['DiskPressure']);
    expect(look(verdict.memory, seen('nodefs.available', 1.2 * Gi), 70_000).conditions).toEqual([]);
  });
});

function candidate(name: string, options: { used: number; request?: string; priority?: number; processes?: number }): Candidate {
  const { used, request, priority = 0, processes = 1 } = options;
  const pod: Pod = { metadata: { name }, spec: { priority, containers: [{ name: 'a', ...(request ? { resources: { requests: { memory: request } } } : {}) }] } };
  return { pod, use: { memoryBytes: used, diskBytes: 0, inodes: 0, processes }, containers: [] };
}
const names = (candidates: readonly Candidate[]): string[] => candidates.map(({ pod }) => pod.metadata?.name ?? '');

test('pods go by excess over requests, then priority, then how much; for process numbers by priority', () => {
  const pods = [
    candidate('modest', { used: 900 * Mi, request: '1Gi' }),
    candidate('greedy', { used: 1500 * Mi, request: '1Gi' }),
    candidate('greedier', { used: 3 * Gi, request: '1Gi', processes: 9 }),
    candidate('important', { used: 9 * Gi, request: '1Gi', priority: 1000, processes: 99 }),
    { ...candidate('unknown', { used: 0 }), use: undefined },
  ];
  expect(names(rankForEviction(pods, 'memory'))).toEqual(['unknown', 'greedier', 'greedy', 'important', 'modest']);
  expect(names(rankForEviction(pods, 'pids')).slice(0, 2)).toEqual(['unknown', 'greedier']);
  expect(names(rankForEviction(pods, 'pids')).at(-1)).toBe('important');
});

test('local storage: the limits of a volume, the pod, a container', () => {
  const pod: Pod = { spec: { volumes: [{ name: 'v', emptyDir: { sizeLimit: '10Mi' } }], containers: [{ name: 'a', resources: { limits: { 'ephemeral-storage': '20Mi' } } }] } };
  const of = (total: number, own: number) => ({ pod, use: { memoryBytes: 0, diskBytes: total, inodes: 0, processes: 0 }, containers: [{ name: 'a', use: { memoryBytes: 0, diskBytes: own, inodes: 0, processes: 0 } }] });
  expect(storageExcess(of(0, 0), new Map([['v', 10 * Mi]]))).toBeUndefined();
  expect(storageExcess(of(0, 0), new Map([['v', 10 * Mi + 1]]))?.message).toBe('Usage of EmptyDir volume "v" exceeds the limit "10Mi". ');
  expect(storageExcess(of(21 * Mi, 0), new Map())?.message).toBe('Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ');
  expect(storageExcess(of(20 * Mi, 21 * Mi), new Map())?.message).toBe('Container a exceeded its local ephemeral storage limit "20Mi". ');
});

const conditionOf = (f: ReturnType<typeof fixture>, type: string) => f.api.find(Nodes, 'node-1')?.status?.conditions?.find((c) => c.type === type);

describe('on a node', () => {
  test('memory pressure: the greediest pod goes, one at a time; the node says so; best-effort pods are refused until it is over', async () => {
    const memory: Record<string, number> = { a: 3 * Gi, b: 4 * Gi, c: 1 * Gi };
    const f = fixture({ config: { memory: '8Gi', evictionHard: ['memory.available<1Gi'] }, script: ({ pod }) => ({ memoryBytes: memory[pod] ?? 0, stopMs: Infinity }) });
    await f.kubelet.start();
    await f.create('a', { containers: [container('app')] });
    await f.create('b', { containers: [{ ...container('app'), resources: { requests: { memory: '2Gi' } } }] });
    await f.create('c', { containers: [container('app')], priority: 2_000_000_000 });
    await f.clock.advance(20_000);
    expect(f.pod('a').status).toMatchObject({
      phase: 'Failed',
      reason: 'Evicted',
      message: 'The node was low on resource: memory. Threshold quantity: 1Gi, available: 0. Container app was using 3Gi, request is 0, has larger consumption of memory. ',
      containerStatuses: [{ state: { terminated: { exitCode: 137 } } }],
    });
    expect(f.pod('a').status?.conditions?.find((c) => c.type === 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'TerminationByKubelet', message: f.pod('a').status?.message });
    expect([f.pod('b').status?.phase, f.pod('c').status?.phase]).toEqual(['Running', 'Running']);
    expect(conditionOf(f, 'MemoryPressure')).toMatchObject({ status: 'True', reason: 'KubeletHasInsufficientMemory', message: 'kubelet has insufficient memory available' });
    expect(f.events()).toEqual(expect.arrayContaining(['EvictionThresholdMet: Attempting to reclaim memory', 'NodeHasInsufficientMemory: Node node-1 status is now: NodeHasInsufficientMemory', expect.stringMatching(/^Evicted: The node was low on resource: memory\. /)]));
    await f.create('late', { containers: [container('app')] });
    await f.create('asking', { containers: [{ ...container('app'), resources: { requests: { memory: '1Mi' } } }] });
    await f.clock.advance(1_000);
    expect(f.pod('late').status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message: 'Pod was rejected: The node had condition: [MemoryPressure]. ' });
    expect(f.pod('asking').status?.phase).toBe('Running');
    await f.clock.advance(320_000);
    expect(conditionOf(f, 'MemoryPressure')?.status).toBe('False');
    expect(f.env.metrics.expose()).toContain('kubelet_evictions{eviction_signal="memory.available"} 1');
    await f.kubelet.stop();
    expect(f.clock.pending).toBe(0);
  });

  test('an emptyDir above its limit takes its pod along', async () => {
    const f = fixture();
    await f.kubelet.start();
    await f.create('hoarder', { volumes: [{ name: 'cache', emptyDir: { sizeLimit: '1Ki' } }], containers: [{ ...container('app'), volumeMounts: [{ name: 'cache', mountPath: '/cache' }] }] });
    await f.clock.advance(15_000);
    expect(f.pod('hoarder').status?.phase).toBe('Running');
    await f.host.writeFile(`/var/lib/kubelet/pods/${f.pod('hoarder').metadata?.uid}/volumes/kubernetes.io~empty-dir/cache/x`, { bytes: new Uint8Array(2000), mode: 0o644 });
    await f.clock.advance(15_000);
    expect(f.pod('hoarder').status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message: 'Usage of EmptyDir volume "cache" exceeds the limit "1Ki". ' });
    await f.kubelet.stop();
  });

  test('what hard eviction keeps free is not allocatable, nor what is reserved', async () => {
    const f = fixture({ config: { memory: '8Gi', ephemeralStorage: '100Gi', systemReserved: ['memory=1Gi', 'cpu=1'], kubeReserved: ['cpu=500m'] } });
    await f.kubelet.start();
    expect(f.api.find(Nodes, 'node-1')?.status).toMatchObject({ capacity: { memory: '8Gi' }, allocatable: { memory: '7068Mi', cpu: '6500m', 'ephemeral-storage': '90Gi' } });
    await f.kubelet.stop();
  });
});

test('too few process numbers: the pod with the most of them goes', async () => {
  const f = fixture({ config: { evictionHard: ['pid.available<4194303'] } });
  await f.kubelet.start();
  const runtime = f.kubelet.context.runtime.clients.runtime as unknown as Record<string, unknown>;
  runtime['listPodSandboxStats'] = async () => ({ stats: [...f.cri.sandboxes.values()].map(({ id, config }) => ({ attributes: { id }, linux: { process: { processCount: { value: config.metadata?.name === 'forks' ? 900n : 1n } } } })) });
  for (const name of ['quiet', 'forks']) await f.create(name, { containers: [container('app')] });
  await f.clock.advance(12_000);
  expect(f.pod('forks').status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: pids. Threshold quantity: 4194303, available: 4193403. ' });
  expect(f.pod('quiet').status?.phase).toBe('Running');
  expect(conditionOf(f, 'PIDPressure')).toMatchObject({ status: 'True', reason: 'KubeletHasInsufficientPID' });
  await f.kubelet.stop();
});
