import type { Container, ContainerStatus } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { Pods, container, fixture } from '../testing.ts';

const rule = (action: string, ...values: number[]): Partial<Container> => ({ restartPolicy: 'Never', restartPolicyRules: [{ action, exitCodes: { operator: 'In', values } }] });

test('a rule that wants all containers anew runs the init containers again, in the same sandbox, hooks left out', async () => {
  const f = fixture({ script: ({ name }) => (name === 'init' ? { exitAfterMs: 100 } : name === 'stubborn' ? { stopMs: 1_000 } : {}) });
  await f.kubelet.start();
  const preStop = { exec: { command: ['never', 'run'] } };
  await f.create('p', { restartPolicy: 'Never', initContainers: [container('init'), container('side', { restartPolicy: 'Always' })], containers: [container('trigger', rule('RestartAllContainers', 42)), container('stubborn', { lifecycle: { preStop } })] });
  await f.clock.advance(1_000);
  const before = f.pod('p');
  const condition = () => f.pod('p').status?.conditions?.find(({ type }) => type === 'AllContainersRestarting')?.status;
  expect([before.status?.phase, condition()]).toEqual(['Running', 'False']);
  const trigger = [...f.cri.containers.values()].find(({ config }) => config.metadata?.name === 'trigger');
  f.cri.exit(trigger?.id ?? '', { exitCode: 42 });
  await f.clock.advance(1_050);
  const reset = { exitCode: 137, reason: 'RestartingAllContainers' };
  expect([f.pod('p').status?.phase, condition()]).toEqual(['Running', 'True']);
  expect(f.pod('p').status?.containerStatuses).toMatchObject([{ restartCount: 1, state: { waiting: { reason: 'RestartingAllContainers', message: 'The container is removed because RestartAllContainers in place' } }, lastState: { terminated: reset } }, { restartCount: 1 }]);
  await f.clock.advance(5_000);
  const { status } = f.pod('p');
  expect([status?.phase, condition(), status?.podIP]).toEqual(['Running', 'False', before.status?.podIP]);
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  expect(all.map(({ name, restartCount, ready, lastState }: ContainerStatus) => [name, restartCount, ready, lastState?.terminated?.reason])).toEqual(['init', 'side', 'trigger', 'stubborn'].map((name) => [name, 1, true, 'RestartingAllContainers']));
  expect(f.cri.sandboxes.size).toBe(1);
  expect(f.cri.calls.filter((call) => call === 'execSync')).toEqual([]);
});

test('a pod that starts anew again and again never fails on the way', async () => {
  const f = fixture({ script: ({ name }) => (name === 'init' ? { exitAfterMs: 10 } : name === 'trigger' ? { exitAfterMs: 300, exitCode: 42 } : {}) });
  await f.kubelet.start();
  await f.create('p', { restartPolicy: 'Never', initContainers: [container('init')], containers: [container('app'), container('trigger', rule('RestartAllContainers', 42))] });
  const phases = new Set<string | undefined>();
  f.api.watch(Pods, {}, { events: (batch) => batch.forEach(({ object }) => phases.add(object.status?.phase)), closed: () => undefined });
  await f.clock.advance(120_000);
  expect(f.pod('p').status?.containerStatuses?.[1]?.restartCount).toBeGreaterThan(2);
  expect([...phases].sort()).toEqual(['Pending', 'Running']);
});

test('an exit that no rule is about follows the policy of the container, then of the pod', async () => {
  const f = fixture();
  await f.kubelet.start();
  const exit = async (exitCode: number): Promise<void> => {
    const running = [...f.cri.containers.values()].find(({ config, state }) => config.metadata?.name === 'ruled' && state === 1);
    f.cri.exit(running?.id ?? '', { exitCode });
    await f.clock.advance(1_000);
  };
  await f.create('p', { restartPolicy: 'Always', containers: [container('ruled', rule('Restart', 7)), container('other')] });
  await f.clock.advance(100);
  await exit(7);
  expect(f.pod('p').status?.containerStatuses?.[0]).toMatchObject({ restartCount: 1, state: { running: {} } });
  await exit(8);
  expect(f.pod('p').status).toMatchObject({ phase: 'Running', containerStatuses: [{ restartCount: 1, state: { terminated: { exitCode: 8 } } }, { state: { running: {} } }] });
});

test('a pod whose containers are all done for good is done, whatever its own policy', async () => {
  const f = fixture({ script: () => ({ exitAfterMs: 500, exitCode: 3 }) });
  await f.kubelet.start();
  await f.create('p', { restartPolicy: 'Always', containers: [container('once', { restartPolicy: 'Never' })] });
  await f.create('q', { restartPolicy: 'Never', containers: [container('again', { restartPolicy: 'OnFailure' })] });
  await f.clock.advance(2_000);
  expect(f.pod('p').status?.phase).toBe('Failed');
  expect(f.pod('q').status).toMatchObject({ phase: 'Running', containerStatuses: [{ restartCount: 1 }] });
});

test('as many ended instances are kept as the node says, the younger ones for a while more', async () => {
  const f = fixture({ config: { maximumDeadContainersPerContainer: 2, minimumContainerTtlDuration: '1m' }, script: () => ({ exitAfterMs: 1_000, exitCode: 1 }) });
  await f.kubelet.start();
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(50_000);
  expect(f.cri.containers.size).toBe(4);
  for (let i = 0; i < 60; i++) await f.clock.advance(10_000);
  expect(f.cri.containers.size).toBeLessThanOrEqual(3);
});
