import { Events, Leases, Nodes, Pods, Secrets } from '@orrery/api';
import { FakeRuntime } from '@orrery/cri/testing';
import { expect, test } from 'vitest';
import { createKubelet, createKubeletSources } from './component.ts';
import { container, fixture } from './testing.ts';

const condition = (pod: { status?: { conditions?: { type: string; status: string }[] } }, type: string) => pod.status?.conditions?.find((c) => c.type === type)?.status;

async function started(options: Parameters<typeof fixture>[0] = {}) {
  const f = fixture(options);
  await f.kubelet.start();
  await f.clock.advance(0);
  return f;
}

test('the node registers, becomes Ready and renews its lease', async () => {
  const f = await started();
  const node = f.api.find(Nodes, 'node-1');
  expect(node?.metadata?.labels).toMatchObject({ 'kubernetes.io/hostname': 'node-1', 'kubernetes.io/os': 'linux' });
  expect(node?.status?.conditions?.find((c) => c.type === 'Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' });
  expect(node?.status).toMatchObject({ capacity: { cpu: '8', memory: '32Gi', pods: '110' }, addresses: [{ type: 'InternalIP', address: '10.240.0.11' }, { type: 'Hostname', address: 'node-1' }] });
  const lease = () => f.api.find(Leases, 'node-1', 'kube-node-lease');
  const first = lease()?.spec?.renewTime;
  await f.clock.advance(30_000);
  expect(lease()?.spec?.renewTime).not.toBe(first);
  expect(f.kubelet.ready()).toBe(true);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test.each([
  [{ podCIDR: '10.244.9.0/24' }, '10.244.9.0/24'],
  [{ podCIDR: '10.244.9.0/24', podCIDRs: ['10.244.9.0/24', 'fd00:10:244:9::/64'] }, '10.244.9.0/24,fd00:10:244:9::/64'],
])('without a pod CIDR the node waits for one, of each family: %j', async (spec, told) => {
  const f = await started({ config: { podCidr: '' } });
  expect(f.api.find(Nodes, 'node-1')?.status?.conditions?.find((c) => c.type === 'Ready')).toMatchObject({
    status: 'False',
    reason: 'KubeletNotReady',
    message: 'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no pod CIDR',
  });
  await f.api.patch(Nodes, { name: 'node-1' }, { spec }, { type: 'application/merge-patch+json' });
  await f.clock.advance(0);
  expect(f.cri.podCidr).toBe(told);
  expect(f.api.find(Nodes, 'node-1')?.status?.conditions?.find((c) => c.type === 'Ready')?.status).toBe('True');
});

test('a pod runs after one status patch, and is deleted with its traces', async () => {
  const f = await started();
  await f.create('web', { containers: [container('app')] });
  await f.clock.advance(0);
  const pod = f.pod('web');
  expect(pod.status).toMatchObject({ phase: 'Running', hostIP: '10.240.0.11', podIP: '10.244.1.2', podIPs: [{ ip: '10.244.1.2' }], qosClass: 'BestEffort', observedGeneration: 1 });
  expect(pod.status?.conditions?.map((c) => `${c.type}=${c.status}`)).toEqual(['PodReadyToStartContainers=True', 'Initialized=True', 'Ready=True', 'ContainersReady=True', 'PodScheduled=True']);
  expect(pod.status?.containerStatuses?.[0]).toMatchObject({ name: 'app', ready: true, started: true, restartCount: 0, image: 'app:1', state: { running: {} } });
  expect(pod.status?.containerStatuses?.[0]?.containerID).toMatch(/^fake:\/\//);
  expect(f.api.requests.filter((r) => r.verb === 'patch' && r.resource.resource === 'pods')).toHaveLength(1);
  expect(f.events()).toEqual(['NodeReady: Node node-1 status is now: NodeReady', 'Pulling: Pulling image "app:1"', expect.stringMatching(/^Pulled: Successfully pulled image "app:1" in/), 'Created: Container created', 'Started: Container started']);
  const uid = pod.metadata?.uid ?? '';
  expect(await f.host.kind(`/var/lib/kubelet/pods/${uid}`)).toBe('directory');
  await f.api.delete(Pods, { namespace: 'default', name: 'web' });
  await f.clock.advance(0);
  expect(f.pod('web')).toBeUndefined();
  expect([f.cri.sandboxes.size, f.cri.containers.size]).toEqual([0, 0]);
  expect(await f.host.kind(`/var/lib/kubelet/pods/${uid}`)).toBeUndefined();
  expect(f.api.requests.at(-1)).toMatchObject({ verb: 'delete', name: 'web' });
});

test('a stubborn container gets its grace, then SIGKILL; the final status is sent before the object goes', async () => {
  const f = await started({ script: () => ({ stopMs: Infinity }) });
  await f.create('web', { containers: [container('app')], terminationGracePeriodSeconds: 30 });
  await f.clock.advance(0);
  await f.api.delete(Pods, { namespace: 'default', name: 'web' });
  await f.clock.advance(29_000);
  expect(f.pod('web').status?.phase).toBe('Running');
  let last = f.pod('web');
  f.api.watch(Pods, {}, { events: (batch) => (last = batch.at(-1)?.object ?? last), closed: () => undefined });
  await f.clock.advance(2_000);
  expect(f.pod('web')).toBeUndefined();
  expect(last.status).toMatchObject({ phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 137, reason: 'Error' } } }] });
});

test('shortening the grace period of a deletion ends the wait', async () => {
  const f = await started({ script: () => ({ stopMs: Infinity }) });
  await f.create('web', { containers: [container('app')], terminationGracePeriodSeconds: 600 });
  await f.clock.advance(0);
  await f.api.delete(Pods, { namespace: 'default', name: 'web' });
  await f.clock.advance(10_000);
  expect(f.pod('web')).toBeDefined();
  await f.api.delete(Pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 3 });
  await f.clock.advance(4_000);
  expect(f.pod('web')).toBeUndefined();
});

test('crash back-off doubles to five minutes and counts restarts', async () => {
  const f = await started({ script: () => ({ exitAfterMs: 1_000, exitCode: 2 }) });
  await f.create('crash', { containers: [container('app')] });
  const starts: number[] = [];
  let seen = 0;
  const t0 = f.clock.now();
  for (let i = 0; i < 1200; i++) {
    await f.clock.advance(1_000);
    const count = f.cri.calls.filter((call) => call === 'startContainer').length;
    if (count > seen) starts.push(Math.round((f.clock.now() - t0) / 1000));
    seen = count;
  }
  const gaps = starts.slice(1).map((at, i) => at - (starts[i] as number));
  // The first restart comes at once; each later one after 1 s of life and the back-off.
  expect(gaps.slice(0, 6)).toEqual([11, 21, 41, 81, 161, 301]);
  const status = f.pod('crash').status?.containerStatuses?.[0];
  expect(f.pod('crash').status?.phase).toBe('Running');
  expect(status?.state?.waiting).toMatchObject({ reason: 'CrashLoopBackOff', message: `back-off 5m0s restarting failed container=app pod=crash_default(${f.pod('crash').metadata?.uid})` });
  expect(status?.lastState?.terminated).toMatchObject({ exitCode: 2, reason: 'Error' });
  expect(status?.restartCount).toBe(seen - 1);
  expect(condition(f.pod('crash'), 'Ready')).toBe('False');
  expect(f.cri.containers.size).toBeLessThanOrEqual(2);
});

test.each([
  ['Never', 0, 'Succeeded'],
  ['Never', 3, 'Failed'],
  ['OnFailure', 0, 'Succeeded'],
])('restartPolicy %s with exit code %i ends %s and frees the sandbox', async (restartPolicy, exitCode, phase) => {
  const f = await started({ script: () => ({ exitAfterMs: 5_000, exitCode }) });
  await f.create('job', { containers: [container('app')], restartPolicy });
  await f.clock.advance(6_000);
  expect(f.pod('job').status).toMatchObject({ phase, containerStatuses: [{ ready: false, state: { terminated: { exitCode, reason: exitCode ? 'Error' : 'Completed' } } }] });
  expect([...f.cri.sandboxes.values()].every((s) => s.state === 1)).toBe(true);
  expect(condition(f.pod('job'), 'Ready')).toBe('False');
  expect(f.pod('job').status?.conditions?.find((c) => c.type === 'Ready')?.reason).toBe(exitCode ? 'PodFailed' : 'PodCompleted');
});

test('init containers run one after another, sidecars stay', async () => {
  const f = await started({ script: ({ name }) => (name.startsWith('init') ? { exitAfterMs: 2_000 } : {}) });
  await f.create('p', { initContainers: [container('init-a'), container('side', { restartPolicy: 'Always' }), container('init-b')], containers: [container('app')] });
  await f.clock.advance(1_000);
  expect(f.pod('p').status).toMatchObject({ phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'PodInitializing' } } }] });
  expect(f.pod('p').status?.conditions?.find((c) => c.type === 'Initialized')).toMatchObject({ status: 'False', reason: 'ContainersNotInitialized', message: 'containers with incomplete status: [init-a side init-b]' });
  await f.clock.advance(5_000);
  expect(f.pod('p').status?.phase).toBe('Running');
  expect(f.pod('p').status?.initContainerStatuses?.map((s) => [s.name, s.ready, Object.keys(s.state ?? {})[0]])).toEqual([
    ['init-a', true, 'terminated'],
    ['side', true, 'running'],
    ['init-b', true, 'terminated'],
  ]);
  expect(condition(f.pod('p'), 'Ready')).toBe('True');
  const side = [...f.cri.containers.values()].find((c) => c.config.metadata?.name === 'side');
  f.cri.exit(side?.id ?? '', { exitCode: 1 });
  await f.clock.advance(100);
  expect(f.pod('p').status?.initContainerStatuses?.[1]).toMatchObject({ restartCount: 1, state: { running: {} } });
});

test('a failing init container backs off and leaves the loop to others', async () => {
  const f = await started({ script: ({ name }) => (name === 'init' ? { exitAfterMs: 1_000, exitCode: 1 } : {}) });
  await f.create('p', { initContainers: [container('init')], containers: [container('app')] });
  await f.clock.advance(3_000);
  expect(f.pod('p').status?.initContainerStatuses?.[0]).toMatchObject({ restartCount: 1, state: { waiting: { reason: 'CrashLoopBackOff' } } });
  expect(f.pod('p').status?.phase).toBe('Pending');
  await f.clock.advance(10_000);
  expect(f.pod('p').status?.initContainerStatuses?.[0]?.restartCount).toBe(2);
});

test('a volume that cannot be made is tried ever less often, and at once when its object comes', async () => {
  const f = await started();
  await f.create('p', { volumes: [{ name: 'v', secret: { secretName: 'late' } }], containers: [container('app', { volumeMounts: [{ name: 'v', mountPath: '/v' }] })] });
  for (let i = 0; i < 60; i++) await f.clock.advance(1_000);
  const failed = (await f.api.list(Events, { namespace: 'default' })).items.find(({ reason }) => reason === 'FailedMount');
  expect(failed?.message).toBe('MountVolume.SetUp failed for volume "v" : secret "late" not found');
  // At 0, 0.5, 1.5, 3.5, 7.5 … s.
  expect(failed?.count).toBeGreaterThan(4);
  expect(failed?.count).toBeLessThan(12);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ContainerCreating');
  await f.api.create(Secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'late', namespace: 'default' }, data: { a: 'Yg==' } });
  await f.clock.advance(1_000);
  expect(f.pod('p').status?.phase).toBe('Running');
});

test('a failing pull shows ErrImagePull, then ImagePullBackOff, and recovers', async () => {
  let broken = true;
  const f = await started({ pull: () => (broken ? { error: 'manifest unknown' } : {}) });
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(0);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'ErrImagePull', message: 'manifest unknown' });
  await f.clock.advance(3_000);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ImagePullBackOff');
  broken = false;
  await f.clock.advance(10_000);
  expect(f.pod('p').status?.phase).toBe('Running');
});

test('a slow start reports ContainerCreating after a moment', async () => {
  const f = await started({ pull: () => ({ delayMs: 5_000 }) });
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(1_000);
  expect(f.pod('p').status).toMatchObject({ phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }] });
  await f.clock.advance(5_000);
  expect(f.pod('p').status?.phase).toBe('Running');
});

test('activeDeadlineSeconds ends a pod', async () => {
  const f = await started();
  await f.create('p', { containers: [container('app')], activeDeadlineSeconds: 60 });
  await f.clock.advance(59_000);
  expect(f.pod('p').status?.phase).toBe('Running');
  await f.clock.advance(2_000);
  expect(f.pod('p').status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' });
});

test('a pod that does not fit is rejected', async () => {
  const f = await started({ config: { cpu: '1' } });
  await f.create('big', { containers: [container('app', { resources: { requests: { cpu: '600m' } } })] });
  await f.create('more', { containers: [container('app', { resources: { requests: { cpu: '500m' } } })] });
  await f.clock.advance(0);
  expect(f.pod('big').status?.phase).toBe('Running');
  expect(f.pod('more').status).toMatchObject({ phase: 'Failed', reason: 'OutOfcpu', message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000" });
});

test('a restarted kubelet adopts what runs and removes what is no longer wanted', async () => {
  const f = await started();
  await f.create('keep', { containers: [container('app')] });
  await f.create('drop', { containers: [container('app')] });
  await f.clock.advance(0);
  await f.kubelet.stop();
  const id = f.pod('keep').status?.containerStatuses?.[0]?.containerID;
  await f.api.delete(Pods, { namespace: 'default', name: 'drop' }, { gracePeriodSeconds: 0 });
  // Of this one the runtime remembers nothing.
  for (const dir of ['/var/lib/kubelet/pods/gone/volumes/kubernetes.io~empty-dir/v', '/var/log/pods/default_gone_gone/app']) await f.host.writeFile(`${dir}/file`, { bytes: Buffer.from('x'), mode: 0o644 });
  f.logs.append('/var/log/pods/default_gone_gone/app/0.log', 'x');
  f.kubelet = f.again();
  await f.kubelet.start();
  expect(await f.host.list('/var/lib/kubelet/pods')).not.toContain('gone');
  expect((await f.logs.list('/var/log/pods')).filter((name) => name.includes('gone'))).toEqual([]);
  await f.clock.advance(60_000);
  expect(await f.host.list('/var/lib/kubelet/pods')).toEqual([f.pod('keep').metadata?.uid]);
  expect(f.pod('keep').status?.containerStatuses?.[0]).toMatchObject({ containerID: id, restartCount: 0, ready: true });
  expect([f.cri.sandboxes.size, f.cri.containers.size]).toEqual([1, 1]);
});

test('when the runtime loses everything, containers restart by policy', async () => {
  const f = await started();
  await f.create('always', { containers: [container('app')] });
  await f.create('never', { containers: [container('app')], restartPolicy: 'Never' });
  await f.clock.advance(0);
  f.cri.reset();
  await f.clock.advance(5_000);
  expect(f.pod('always').status).toMatchObject({ phase: 'Running', containerStatuses: [{ restartCount: 1, state: { running: {} }, lastState: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } }] });
  expect(f.pod('never').status).toMatchObject({ phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } }] });
});

test('what others do to the status of a running pod is undone', async () => {
  const f = await started();
  await f.create('p', { containers: [container('app')] });
  await f.clock.advance(0);
  const conditions = [{ type: 'Ready', status: 'False', reason: 'NodeNotReady' }];
  await f.api.patch(Pods, { namespace: 'default', name: 'p' }, { status: { conditions } }, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
  expect(condition(f.pod('p'), 'Ready')).toBe('False');
  await f.clock.advance(0);
  expect(f.pod('p').status?.conditions?.find((c) => c.type === 'Ready')).not.toHaveProperty('reason');
  expect(condition(f.pod('p'), 'Ready')).toBe('True');
});

test('a runtime that restarted is told its pod addresses again', async () => {
  const f = await started();
  f.cri.reset();
  f.cri.podCidr = '';
  await f.clock.advance(20_000);
  expect(f.cri.podCidr).toBe('10.244.1.0/24');
  expect(f.kubelet.ready()).toBe(true);
});

test('one set of watches serves many kubelets', async () => {
  const f = fixture();
  const sources = createKubeletSources(f.env, { api: f.api, shared: true });
  const kubelets = ['node-a', 'node-b'].map((nodeName) => {
    const cri = new FakeRuntime({ clock: f.clock });
    return { cri, kubelet: createKubelet(f.env, { api: f.api, cri: cri.channel(), volumes: f.host, logs: f.logs, sources }, { ...f.config, nodeName }) };
  });
  await Promise.all(kubelets.map(({ kubelet }) => kubelet.start()));
  await f.create('a', { nodeName: 'node-a', containers: [container('app')] });
  const unbound = await f.api.create(Pods, { metadata: { name: 'b', namespace: 'default' }, spec: { restartPolicy: 'Always', containers: [container('app')] } });
  await f.clock.advance(10);
  expect([f.pod('a').status?.phase, f.pod('b').status?.phase]).toEqual(['Running', 'Pending']);
  await f.api.update(Pods, { ...unbound, spec: { ...unbound.spec, containers: unbound.spec?.containers ?? [], nodeName: 'node-b' } });
  await f.clock.advance(10);
  expect(f.pod('b').status?.phase).toBe('Running');
  expect(kubelets.map(({ cri }) => cri.containers.size)).toEqual([1, 1]);
  expect(f.api.requests.filter((r) => r.verb === 'watch' && r.resource.resource === 'pods')).toHaveLength(1);
  for (const { kubelet } of kubelets) await kubelet.stop();
  sources.stop();
});

test('an image that is mounted as a volume is pulled first, by the volume\'s own policy', async () => {
  let broken = true;
  const f = await started({ pull: (name) => (broken && name.includes('data') ? { error: 'manifest unknown' } : {}) });
  await f.create('p', { volumes: [{ name: 'v', image: { reference: 'example.com/data:1', pullPolicy: 'IfNotPresent' } }], containers: [container('app', { volumeMounts: [{ name: 'v', mountPath: '/data', subPath: 'sub' }] })] });
  await f.clock.advance(1_000);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'ErrImagePull', message: 'manifest unknown' });
  broken = false;
  await f.clock.advance(20_000);
  expect(f.pod('p').status?.phase).toBe('Running');
  const [made] = [...f.cri.containers.values()];
  const mount = made?.config.mounts?.find(({ containerPath }) => containerPath === '/data');
  expect(mount).toMatchObject({ readonly: true, imageSubPath: 'sub', image: { userSpecifiedImage: 'example.com/data:1' } });
  expect(f.cri.findImage(mount?.image?.image ?? '')).toBeDefined();
});

test.each([
  ['Never', 'Failed', { terminated: { exitCode: 128, reason: 'StartError' } }],
  ['Always', 'Running', { waiting: { reason: 'CrashLoopBackOff' } }],
])('a command that cannot be run under %s', async (restartPolicy, phase, state) => {
  const f = await started({ script: () => ({ startError: 'no such file' }) });
  await f.create('p', { restartPolicy, containers: [container('app')] });
  await f.clock.advance(2_000);
  expect(f.pod('p').status).toMatchObject({ phase, containerStatuses: [{ state }] });
});
