import { ContainerEventType, ContainerEventResponse, ContainerState, NamespaceMode, PodSandboxState } from '@orrery/proto/cri';
import { VirtualClock } from '@orrery/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestNode, testNode } from '../testing/test-node.ts';

let clock: VirtualClock;
let node: TestNode;

beforeEach(async () => {
  clock = new VirtualClock();
  node = await testNode({ clock });
});

afterEach(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

const status = async (containerId: string) => (await node.runtime.containerStatus({ containerId })).status;

test('a pod from start to removal, with events in order', async () => {
  const events: ContainerEventResponse[] = [];
  const watching = (async () => {
    for await (const event of node.runtime.getContainerEvents({})) events.push(event);
  })();
  await clock.advance(1);
  const pod = await node.runPod({ name: 'p', image: 'busybox', command: ['sh', '-c', 'echo out; echo err >&2; sleep 5; exit 3'] });
  expect(pod.ip).toBe('10.244.1.2');
  expect(await status(pod.container)).toMatchObject({ state: ContainerState.CONTAINER_RUNNING, exitCode: 0, reason: '' });
  await clock.advance(6000);
  expect(await status(pod.container)).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 3, reason: 'Error' });
  const log = Buffer.from(await node.logs.read('/var/log/pods/p/main/0.log', 0, 9999)).toString();
  expect(log).toMatch(/^2026-01-01T00:00:00\.001000\d{3}Z stdout F out\n2026-01-01T00:00:00\.\d{9}Z stderr F err\n$/);
  await node.runtime.stopPodSandbox({ podSandboxId: pod.sandbox });
  await node.runtime.stopPodSandbox({ podSandboxId: pod.sandbox });
  const ended = await node.runtime.podSandboxStatus({ podSandboxId: pod.sandbox });
  expect(ended.status?.state).toBe(PodSandboxState.SANDBOX_NOTREADY);
  expect([ended.containersStatuses?.map(({ id }) => id), (ended.timestamp ?? 0n) > 0n]).toEqual([[pod.container], true]);
  await node.runtime.removePodSandbox({ podSandboxId: pod.sandbox });
  await node.runtime.removePodSandbox({ podSandboxId: pod.sandbox });
  await node.runtime.removeContainer({ containerId: pod.container });
  await expect(node.runtime.podSandboxStatus({ podSandboxId: pod.sandbox })).rejects.toMatchObject({ code: 5 });
  await expect(node.runtime.containerStatus({ containerId: pod.container })).rejects.toMatchObject({ code: 5 });
  expect(await node.runtime.listPodSandbox({})).toEqual({ items: [] });
  await clock.advance(1);
  const { CONTAINER_CREATED_EVENT: created, CONTAINER_STARTED_EVENT: started, CONTAINER_STOPPED_EVENT: stopped, CONTAINER_DELETED_EVENT: deleted } = ContainerEventType;
  expect(events.map((e) => [e.containerId === pod.container ? 'c' : 's', e.containerEventType])).toEqual([['s', created], ['s', started], ['c', created], ['c', started], ['c', stopped], ['s', stopped], ['c', deleted], ['s', deleted]]);
  // As another process is told of them: of the end with what had ended, though it is removed by now.
  const sent = events.map((event) => ContainerEventResponse.decode(ContainerEventResponse.encode(event).finish()));
  expect(sent.map(({ podSandboxStatus }) => podSandboxStatus?.metadata?.name)).toEqual(events.map(() => 'p'));
  expect(sent[4]).toMatchObject({ containerId: pod.container, podSandboxStatus: { id: pod.sandbox, createdAt: 1767225600001000000n }, containersStatuses: [{ id: pod.container, exitCode: 3 }] });
  await node.component.stop();
  await watching;
});

test('addresses are released and rest before they are used again; the node’s network has none', async () => {
  const a = await node.runPod({ name: 'a', image: 'busybox' });
  await node.runtime.removePodSandbox({ podSandboxId: a.sandbox });
  const b = await node.runPod({ name: 'b', image: 'busybox' });
  expect([a.ip, b.ip]).toEqual(['10.244.1.2', '10.244.1.3']);
  const host = await node.runPod({ name: 'h', image: 'nginx', sandbox: { linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } } } });
  expect(host.ip).toBe('');
  await clock.advance(1);
  (await node.switch.hostStack.dial({ ip: '10.240.1.1', port: 80 })).close();
});

test('host ports answer at the node’s address while the pod is there', async () => {
  const portMappings = [{ containerPort: 6379, hostPort: 16379, hostIp: '', protocol: 0 as const }];
  const command = ['nc', '-lk', '-p', '6379', '-e', 'echo', 'served'];
  const pod = await node.runPod({ name: 'hp', image: 'busybox', command, sandbox: { portMappings } });
  const conn = await node.switch.hostStack.dial({ ip: '10.240.1.1', port: 16379 });
  expect(Buffer.from((await conn.read()) ?? []).toString()).toBe('served\n');
  conn.close();
  await expect(node.runPod({ name: 'hp2', image: 'busybox', sandbox: { portMappings } })).rejects.toThrow(/failed to setup network .* address already in use/);
  await node.runtime.removePodSandbox({ podSandboxId: pod.sandbox });
  await expect(node.switch.hostStack.dial({ ip: '10.240.1.1', port: 16379 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('without a pod range the network is not ready', async () => {
  const bare = await testNode({ clock, config: { podCidr: '' }, index: 9 });
  const network = (await bare.runtime.status({})).status?.conditions?.find((c) => c.type === 'NetworkReady');
  expect(network).toMatchObject({ status: false, reason: 'NetworkPluginNotReady' });
  await expect(bare.runPod({ name: 'x', image: 'busybox' })).rejects.toThrow(/failed to setup network for sandbox ".*": cni plugin not initialized/);
  await bare.runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: '10.244.9.0/24' } } });
  expect((await bare.runPod({ name: 'x', image: 'busybox' })).ip).toBe('10.244.9.2');
  await bare.component.stop();
});

test('stopping: the signal, the grace period, the exit codes', async () => {
  const stop = async (command: string[], timeout: bigint) => {
    const pod = await node.runPod({ name: `s${command.at(-1)}${timeout}`, image: 'busybox', command });
    await clock.advance(1);
    const stopping = node.runtime.stopContainer({ containerId: pod.container, timeout });
    await clock.advance(1);
    const soon = (await status(pod.container))?.state;
    await clock.advance(60_000);
    await stopping;
    return [soon, (await status(pod.container))?.exitCode];
  };
  const { CONTAINER_EXITED: exited, CONTAINER_RUNNING: running } = ContainerState;
  expect(await stop(['sleep', '1000'], 30n)).toEqual([exited, 143]);
  expect(await stop(['sleep', '1000'], 0n)).toEqual([exited, 137]);
  expect(await stop(['sh', '-c', 'trap "" TERM; while true; do sleep 1; done'], 2n)).toEqual([running, 137]);
  expect(await stop(['sh', '-c', 'trap "exit 5" TERM; while true; do sleep 1; done'], 10n)).toEqual([running, 5]);
  const pod = await node.runPod({ name: 'pause', image: 'registry.k8s.io/pause:3.10' });
  await node.runtime.stopContainer({ containerId: pod.container, timeout: 30n });
  expect(await status(pod.container)).toMatchObject({ exitCode: 0, reason: 'Completed' });
});

test('annotations script what a container does', async () => {
  const run = async (name: string, annotations: Record<string, string>, more = {}) => node.runPod({ name, image: 'nothing.example.org/app:1', sandbox: { annotations }, ...more });
  const job = await run('job', { 'orrery.dev/run-seconds': '5', 'orrery.dev/exit-code.main': '4', 'orrery.dev/log-lines': '2' });
  await clock.advance(4000);
  expect((await status(job.container))?.state).toBe(ContainerState.CONTAINER_RUNNING);
  await clock.advance(2000);
  expect(await status(job.container)).toMatchObject({ exitCode: 4, reason: 'Error' });
  expect(await node.log(job.container)).toBe('line 1\nline 2\n');
  const oom = await run('oom', { 'orrery.dev/memory': '200Mi' }, { linux: { resources: { memoryLimitInBytes: BigInt(100 * 1024 ** 2) } } });
  await clock.advance(1000);
  expect(await status(oom.container)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  const busy = await run('busy', { 'orrery.dev/cpu': '250m', 'orrery.dev/memory': '64Mi' });
  await clock.advance(10_000);
  const { stats } = await node.runtime.containerStats({ containerId: busy.container });
  expect(stats?.cpu).toMatchObject({ usageNanoCores: { value: 250_000_000n }, usageCoreNanoSeconds: { value: 2_500_000_000n } });
  expect(stats?.memory?.workingSetBytes?.value).toBe(BigInt(64 * 1024 ** 2));
  expect((await node.runtime.listPodSandboxStats({})).stats?.length).toBe(3);
});

test('errors as containerd words them', async () => {
  await expect(node.images.pullImage({ image: { image: 'invalid.registry.k8s.io/invalid/alpine:3.1' } })).rejects.toMatchObject({ code: 2, message: expect.stringContaining('no such host') });
  await expect(node.images.pullImage({ image: { image: 'nginx:1.161' } })).rejects.toMatchObject({ code: 5, message: expect.stringContaining('failed to resolve reference "docker.io/library/nginx:1.161"') });
  await expect(node.images.pullImage({ image: { image: 'Not A Ref' } })).rejects.toMatchObject({ code: 3 });
  expect(await node.images.imageStatus({ image: { image: 'busybox' } })).toEqual({});
  await expect(node.runPod({ name: 'nf', image: 'busybox', command: ['/nope'] })).rejects.toThrow(/exec: "\/nope": stat \/nope: no such file or directory/);
  const [failed] = (await node.runtime.listContainers({})).containers ?? [];
  expect(await status(failed?.id ?? '')).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 128, reason: 'StartError' });
  const pod = await node.runPod({ name: 'ok', image: 'busybox', command: ['sleep', '100'] });
  await expect(pod.exec('nope')).rejects.toThrow(/exec: "nope": executable file not found in \$PATH/);
  await expect(node.runtime.startContainer({ containerId: pod.container })).rejects.toThrow(/container is in CONTAINER_RUNNING state/);
  const slow = node.runtime.execSync({ containerId: pod.container, cmd: ['sleep', '10'], timeout: 1n });
  const outcome = expect(slow).rejects.toMatchObject({ code: 4 });
  await clock.advance(2000);
  await outcome;
  await expect(node.runtime.createContainer({ podSandboxId: 'nope', config: {} })).rejects.toMatchObject({ code: 5 });
  await expect(node.runtime.runPodSandbox({ config: { metadata: { name: 'x', uid: 'y' } }, runtimeHandler: 'kata' })).rejects.toThrow(/no runtime for "kata" is configured/);
});

test('images: tags, digests, ids, removal', async () => {
  const { imageRef = '' } = await node.images.pullImage({ image: { image: 'busybox' } });
  expect(imageRef).toMatch(/^sha256:[0-9a-f]{64}$/);
  const { image } = await node.images.imageStatus({ image: { image: 'docker.io/library/busybox:latest' } });
  expect(image).toMatchObject({ id: imageRef, repoTags: ['docker.io/library/busybox:latest'], size: 2_157_164n });
  expect((await node.images.imageStatus({ image: { image: image?.repoDigests?.[0] ?? '' } })).image?.id).toBe(imageRef);
  expect((await node.images.listImages({})).images).toHaveLength(1);
  expect((await node.images.imageFsInfo({})).imageFilesystems?.[0]?.usedBytes?.value).toBe(2_157_164n);
  await node.images.removeImage({ image: { image: imageRef } });
  expect((await node.images.listImages({})).images).toEqual([]);
});

test('containers of a pod share volumes, and the kubelet sees what they write', async () => {
  await node.volumes.makeDir('/var/lib/kubelet/pods/u/volumes/empty', 0o777);
  await node.volumes.writeFile('/var/lib/kubelet/pods/u/term', { bytes: new Uint8Array(0), mode: 0o666 });
  await node.volumes.writeVolume('/var/lib/kubelet/pods/u/token', new Map([['namespace', { bytes: Buffer.from('default'), mode: 0o644 }]]));
  const token = { containerPath: '/var/run/secrets/kubernetes.io/serviceaccount', hostPath: '/var/lib/kubelet/pods/u/token', readonly: true };
  const mounts = [token, { containerPath: '/data', hostPath: '/var/lib/kubelet/pods/u/volumes/empty' }, { containerPath: '/dev/termination-log', hostPath: '/var/lib/kubelet/pods/u/term' }];
  const a = await node.runPod({ name: 'va', image: 'busybox', command: ['sleep', '100'], mounts });
  const b = await node.runPod({ name: 'vb', image: 'alpine', command: ['sleep', '100'], mounts });
  await a.sh('echo shared > /data/f; mkdir /data/d; echo "it failed" > /dev/termination-log');
  expect(await b.sh('cat /data/f; ls /data; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo x > /run/secrets/kubernetes.io/serviceaccount/n')).toMatchObject({ stdout: 'shared\nd\nf\ndefault', code: 1 });
  expect(Buffer.from((await node.volumes.readFile('/var/lib/kubelet/pods/u/term')) ?? []).toString()).toBe('it failed\n');
  expect(Buffer.from((await node.volumes.readFile('/var/lib/kubelet/pods/u/volumes/empty/f')) ?? []).toString()).toBe('shared\n');
});

test('thousands of idle containers cost little and set no timers', async () => {
  const before = clock.pending;
  for (let i = 0; i < 200; i++) await node.runPod({ name: `idle${i}`, image: i % 2 ? 'registry.k8s.io/pause:3.10' : 'example.com/unknown:1' });
  expect(clock.pending).toBe(before);
});

test('whose the processes are is told, of those that run and those that did', async () => {
  const pod = await node.runPod({ name: 'p', image: 'busybox', command: ['sleep', '5'], linux: { securityContext: { runAsUser: { value: 1000n }, runAsGroup: { value: 2000n }, supplementalGroups: [3000n] } } });
  const linux = { uid: 1000n, gid: 2000n, supplementalGroups: [2000n, 3000n] };
  expect((await status(pod.container))?.user).toEqual({ linux });
  await clock.advance(6_000);
  expect(await status(pod.container)).toMatchObject({ state: ContainerState.CONTAINER_EXITED, user: { linux } });
});

test('an image as a volume is read-only, whole or in part; what is not in it cannot be mounted', async () => {
  await node.images.pullImage({ image: { image: 'nginx' } });
  const mounts = (imageSubPath: string) => [{ containerPath: '/img', image: { image: 'nginx' }, imageSubPath }];
  const whole = await node.runPod({ name: 'whole', image: 'busybox', command: ['sleep', '100'], mounts: mounts('') });
  expect(await whole.sh('ls -d /img/usr/share/nginx/html; touch /img/x')).toMatchObject({ stdout: '/img/usr/share/nginx/html\n', stderr: expect.stringContaining('Read-only file system') as string });
  const part = await node.runPod({ name: 'part', image: 'busybox', command: ['sleep', '100'], mounts: mounts('usr/share/nginx') });
  expect((await part.sh('ls /img')).stdout).toBe('html\n');
  await expect(node.runPod({ name: 'none', image: 'busybox', mounts: mounts('usr/none') })).rejects.toThrow('is no directory of it');
  await expect(node.runPod({ name: 'unknown', image: 'busybox', mounts: [{ containerPath: '/img', image: { image: 'redis:1' } }] })).rejects.toThrow('failed to resolve image "redis:1": not found');
});
