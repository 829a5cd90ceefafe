import { ContainerEventType } from '@orrery/proto/cri';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { type PodRuntime, type RuntimeContainer, showsEvent } from './pod-runtime.ts';

const { CONTAINER_CREATED_EVENT: created, CONTAINER_STARTED_EVENT: started, CONTAINER_STOPPED_EVENT: stopped, CONTAINER_DELETED_EVENT: deleted } = ContainerEventType;
const events = [created, started, stopped, deleted];

const instance = (id: string, more: Partial<RuntimeContainer>): RuntimeContainer => ({ id, sandboxId: 's', name: id, restartCount: 0, state: 'running', createdMs: 1, startedMs: 1, finishedMs: 0, exitCode: 0, reason: '', message: '', image: '', imageId: '', hash: '', logPath: '', terminationLog: '', ...more });
const seen: PodRuntime = {
  sandboxes: [{ id: 's', attempt: 1, ready: true, hostNetwork: false, ips: [], createdMs: 2 }, { id: 'old', attempt: 0, ready: false, hostNetwork: false, ips: [], createdMs: 1 }],
  containers: [instance('made', { state: 'created' }), instance('up', {}), instance('down', { state: 'exited' }), instance('dark', { state: 'unknown' }), instance('lost', { state: 'exited', lost: true })],
};

test.each([
  ['made', [created]],
  ['up', [created, started]],
  ['down', [created, started, stopped]],
  ['dark', [created]],
  ['lost', [created, started, stopped, deleted]],
  ['s', [created, started]],
  ['old', [created, started, stopped]],
  ['stranger', [deleted]],
])('of %s the last look shows %j', (id, known) => {
  expect(events.filter((type) => showsEvent(seen, { id, type }))).toEqual(known);
});

test('what a start does to the runtime is looked at once for each thing that it changes', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(2_000);
  expect(f.pod('p').status?.phase).toBe('Running');
  // The sandbox, for its address, and the container.
  expect(f.cri.calls.filter((call) => call === 'podSandboxStatus')).toHaveLength(2);
  const [one] = f.cri.containers.values();
  f.cri.exit(one?.id ?? '', { exitCode: 3 });
  await f.clock.advance(2_000);
  expect(f.pod('p').status?.containerStatuses?.[0]).toMatchObject({ restartCount: 1, state: { running: {} }, lastState: { terminated: { exitCode: 3 } } });
  // Its end, and that another runs.
  expect(f.cri.calls.filter((call) => call === 'podSandboxStatus')).toHaveLength(4);
});
