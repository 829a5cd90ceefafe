import { Pods } from '@orrery/api';
import type { Container } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type Fixture, container, fixture } from '../testing.ts';

const resources = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
const sized = (cpu: string, memory: string, more: Partial<Container> = {}): Container => container('app', { resources: resources(cpu, memory), ...more });

/** As the API server's resize: the spec changes, and with it the generation. */
async function resize(f: Fixture, name: string, to: ReturnType<typeof resources>): Promise<void> {
  const { metadata, spec } = f.pod(name);
  const generation = (metadata?.generation ?? 1) + 1;
  await f.api.patch(Pods, { namespace: 'default', name }, { metadata: { generation }, spec: { containers: spec?.containers?.map((one) => ({ ...one, resources: to })) } }, { type: 'application/merge-patch+json' });
  await f.clock.advance(0);
}

const status = (f: Fixture, name = 'p') => f.pod(name).status?.containerStatuses?.[0];
const condition = (f: Fixture, type: string, name = 'p') => f.pod(name).status?.conditions?.find((one) => one.type === type);
const updates = (f: Fixture) => [...f.cri.containers.values()][0]?.updates;

async function running(container: Container, options: Parameters<typeof fixture>[0] = {}): Promise<Fixture> {
  const f = fixture({ config: { cpu: '4', memory: '4Gi' }, ...options });
  await f.kubelet.start();
  await f.create('p', { containers: [container] });
  await f.clock.advance(0);
  return f;
}

test('a container gets what the pod asks for now, without a restart', async () => {
  const f = await running(sized('1', '1Gi'));
  await resize(f, 'p', resources('2', '2Gi'));
  expect(updates(f)).toEqual([expect.objectContaining({ cpuQuota: 200_000n, cpuPeriod: 100_000n, cpuShares: 2048n, memoryLimitInBytes: 2n * 1024n ** 3n })]);
  expect(status(f)).toMatchObject({ restartCount: 0, allocatedResources: { cpu: '2', memory: '2Gi' }, resources: resources('2', '2Gi') });
  expect(f.pod('p').status?.conditions?.map(({ type }) => type).filter((type) => type.startsWith('PodResize'))).toEqual([]);
  expect(f.events()).toContain(`ResizeCompleted: Pod resize completed: ${JSON.stringify({ containers: [{ name: 'app', resources: resources('2', '2Gi') }] })}`);
  await f.clock.advance(60_000);
  expect(updates(f)).toHaveLength(1);
});

test('more than the node has is infeasible, and taken back', async () => {
  const f = await running(sized('1', '1Gi'));
  await resize(f, 'p', resources('5', '1Gi'));
  expect(condition(f, 'PodResizePending')).toMatchObject({ status: 'True', reason: 'Infeasible', message: "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000", observedGeneration: 2 });
  expect(status(f)).toMatchObject({ allocatedResources: { cpu: '1', memory: '1Gi' }, resources: resources('1', '1Gi') });
  expect(updates(f)).toEqual([]);
  await resize(f, 'p', resources('1', '1Gi'));
  expect(condition(f, 'PodResizePending')).toBeUndefined();
});

test('what others use is waited for', async () => {
  const f = await running(sized('1', '1Gi'));
  await f.create('other', { containers: [sized('2', '1Gi')] });
  await f.clock.advance(0);
  await resize(f, 'p', resources('3', '1Gi'));
  expect(condition(f, 'PodResizePending')).toMatchObject({ reason: 'Deferred', message: "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000" });
  await f.api.delete(Pods, { namespace: 'default', name: 'other' }, { gracePeriodSeconds: 0 });
  await f.clock.advance(40_000);
  expect(condition(f, 'PodResizePending')).toBeUndefined();
  expect(status(f)).toMatchObject({ restartCount: 0, resources: resources('3', '1Gi') });
});

test('a container restarts for a resource whose policy says so, and only for that', async () => {
  const f = await running(sized('1', '1Gi', { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }, { resourceName: 'memory', restartPolicy: 'RestartContainer' }] }));
  await resize(f, 'p', resources('2', '1Gi'));
  expect(status(f)).toMatchObject({ restartCount: 0, resources: resources('2', '1Gi') });
  await resize(f, 'p', resources('2', '2Gi'));
  await f.clock.advance(35_000);
  expect(status(f)).toMatchObject({ restartCount: 1, state: { running: {} }, resources: resources('2', '2Gi') });
  expect(f.events()).toContain('Killing: Container app resize requires restart, will be restarted');
  const made = [...f.cri.containers.values()].at(-1);
  expect([made?.config.linux?.resources?.memoryLimitInBytes, made?.updates]).toEqual([2n * 1024n ** 3n, []]);
});

test('memory in use is not taken away', async () => {
  const f = await running(sized('1', '1Gi'), { config: { cpu: '4', memory: '4Gi' }, script: () => ({ memoryBytes: 900 * 1024 ** 2 }) });
  await resize(f, 'p', resources('1', '512Mi'));
  expect(condition(f, 'PodResizeInProgress')).toMatchObject({ status: 'True', reason: 'Error', message: 'attempting to set container "app" memory limit (536870912) below current usage (943718400)' });
  expect(status(f)).toMatchObject({ allocatedResources: { memory: '512Mi' }, resources: resources('1', '1Gi') });
  expect(updates(f)).toEqual([]);
  await resize(f, 'p', resources('1', '1000Mi'));
  expect(condition(f, 'PodResizeInProgress')).toBeUndefined();
  expect(status(f)).toMatchObject({ resources: resources('1', '1000Mi') });
});

test('a pod as a whole gets what it asks for now, as far as the node has it', async () => {
  const f = fixture({ config: { cpu: '4', memory: '4Gi' } });
  await f.kubelet.start();
  const whole = (cpu: string) => ({ requests: { cpu }, limits: { cpu: '2', memory: '1Gi' } });
  await f.create('p', { resources: whole('1'), containers: [container('app')] });
  await f.clock.advance(0);
  expect(f.pod('p').status).toMatchObject({ allocatedResources: { cpu: '1' }, resources: whole('1') });
  const ask = async (cpu: string): Promise<void> => {
    await f.api.patch(Pods, { namespace: 'default', name: 'p' }, { metadata: { generation: (f.pod('p').metadata?.generation ?? 1) + 1 }, spec: { resources: whole(cpu) } }, { type: 'application/merge-patch+json' });
    await f.clock.advance(1_000);
  };
  await ask('1500m');
  expect(f.pod('p').status).toMatchObject({ allocatedResources: { cpu: '1500m' }, resources: whole('1500m'), containerStatuses: [{ restartCount: 0 }] });
  expect([...f.cri.sandboxes.values()][0]?.updates).toEqual([{ cpuShares: 1536n, cpuPeriod: 100_000n, cpuQuota: 200_000n, memoryLimitInBytes: 1024n ** 3n }]);
  expect(f.events()).toContain(`ResizeCompleted: Pod resize completed: ${JSON.stringify({ resources: whole('1500m') })}`);
  await ask('9');
  expect(condition(f, 'PodResizePending')).toMatchObject({ reason: 'Infeasible' });
  expect(f.pod('p').status?.allocatedResources).toEqual({ cpu: '1500m' });
  await f.kubelet.stop();
  f.kubelet = f.again();
  await f.kubelet.start();
  await f.clock.advance(2_000);
  expect(f.pod('p').status).toMatchObject({ allocatedResources: { cpu: '1500m' }, phase: 'Running' });
});
