import { Nodes } from '@orrery/api';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { scheduledPath } from './shutdown-manager.ts';
import { groupByPriority, shutdownGroups } from './shutdown-plan.ts';

const config = { shutdownGracePeriod: '0s', shutdownGracePeriodCriticalPods: '0s', shutdownGracePeriodByPodPriority: [] };

test('groups come from the two periods, or from a list by priority', () => {
  expect(shutdownGroups(config)).toEqual([]);
  expect(shutdownGroups({ ...config, shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' })).toEqual([{ priority: 0, graceSeconds: 20 }, { priority: 2_000_000_000, graceSeconds: 10 }]);
  const groups = shutdownGroups({ ...config, shutdownGracePeriodByPodPriority: ['1000=60', '0=10', '100=30'] });
  expect(groupByPriority(groups, [-5, 0, 99, 100, 5000], (priority) => priority).map(({ group, pods }) => [group.graceSeconds, pods])).toEqual([[10, [-5, 0, 99]], [30, [100]], [60, [5000]]]);
});

test('a node that shuts down ends its pods, critical ones last, within their time; it takes no others until it is called off', async () => {
  const f = fixture({ config: { shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' }, script: ({ pod }) => ({ stopMs: pod === 'stubborn' ? Infinity : 5_000 }) });
  await f.kubelet.start();
  for (const name of ['plain', 'stubborn']) await f.create(name, { containers: [container('app')], terminationGracePeriodSeconds: 600 });
  await f.create('critical', { containers: [container('app')], priority: 2_000_000_000 });
  await f.clock.advance(1_000);
  await f.host.writeFile(scheduledPath, { bytes: new Uint8Array(0), mode: 0o644 });
  await f.clock.advance(10_000);
  const ready = () => f.api.find(Nodes, 'node-1')?.status?.conditions?.find(({ type }) => type === 'Ready');
  expect(ready()).toMatchObject({ status: 'False', reason: 'KubeletNotReady', message: 'node is shutting down' });
  expect(f.pod('plain').status).toMatchObject({ phase: 'Failed', reason: 'Terminated', message: 'Pod was terminated in response to imminent node shutdown.' });
  expect(f.pod('plain').status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'TerminationByKubelet' });
  expect([f.pod('stubborn').status?.phase, f.pod('critical').status?.phase]).toEqual(['Running', 'Running']);
  await f.create('late', { containers: [container('app')] });
  await f.clock.advance(12_000);
  expect(f.pod('late').status).toMatchObject({ phase: 'Failed', reason: 'NodeShutdown', message: 'Pod was rejected: Pod was rejected as the node is shutting down.' });
  expect(f.pod('stubborn').status?.phase).toBe('Failed');
  await f.clock.advance(6_000);
  expect(f.pod('critical').status).toMatchObject({ phase: 'Failed', reason: 'Terminated' });
  expect(f.events()).toContain('Shutdown: Shutdown manager detected shutdown event');
  await f.host.remove(scheduledPath);
  await f.clock.advance(2_000);
  expect(ready()?.status).toBe('True');
  await f.create('again', { containers: [container('app')] });
  await f.clock.advance(1_000);
  expect(f.pod('again').status?.phase).toBe('Running');
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});
