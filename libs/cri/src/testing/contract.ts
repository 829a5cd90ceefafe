import { type ContainerConfig, type PodSandboxConfig, ContainerState, PodSandboxState } from '@orrery/proto/cri';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CriClients, criClients } from '../channel.ts';

export interface CriContractOptions {
  /** An image that is there or can be pulled and has a shell; default busybox. */
  readonly image?: string;
  /** Command that runs until it is stopped, and one that exits with a code. */
  readonly commands?: { readonly forever: string[]; readonly exit: (code: number) => string[] };
  /** The runtime runs the commands; false for the fake, which only keeps states. */
  readonly runsCommands?: boolean;
  /** Lets time pass for runtimes on a virtual clock; by default waits a little. */
  readonly pass?: (ms: number) => Promise<void>;
}

const defaults = {
  image: 'docker.io/library/busybox:latest',
  commands: { forever: ['sh', '-c', 'while true; do sleep 1; done'], exit: (code: number) => ['sh', '-c', `exit ${code}`] },
  runsCommands: true,
};

let serial = 0;

async function eventually<T>(read: () => Promise<T>, holds: (value: T) => boolean, pass: (ms: number) => Promise<void>): Promise<T> {
  for (let i = 0; ; i++) {
    const value = await read();
    if (holds(value) || i === 100) return value;
    await pass(100);
  }
}

/**
 * What the kubelet relies on in a container runtime. Runs on the fake, the emulated runtime and containerd alike; each
 * test makes its own pod and removes it.
 */
export function criContract(name: string, makeChannel: () => Promise<Channel> | Channel, options: CriContractOptions = {}): void {
  const { image, commands, runsCommands } = { ...defaults, ...options };
  const pass = options.pass ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));

  describe(`CRI contract: ${name}`, () => {
    let channel: Channel;
    let cri: CriClients;
    let imageRef = image;

    beforeAll(async () => {
      channel = await makeChannel();
      cri = criClients(channel);
      await cri.runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: '10.244.7.0/24' } } });
      const { image: present } = await cri.images.imageStatus({ image: { image } });
      if (!present) imageRef = (await cri.images.pullImage({ image: { image } })).imageRef || image;
    });
    afterAll(() => channel.close());

    function sandboxConfig(): PodSandboxConfig {
      const uid = `contract-${Date.now()}-${serial++}`;
      const labels = { 'io.kubernetes.pod.uid': uid, 'io.kubernetes.pod.name': uid, 'io.kubernetes.pod.namespace': 'contract' };
      return { metadata: { name: uid, namespace: 'contract', uid, attempt: 0 }, hostname: 'contract', logDirectory: `/var/log/pods/contract_${uid}`, dnsConfig: { servers: ['10.96.0.10'], searches: [], options: [] }, labels, annotations: { note: 'kept' }, linux: {} };
    }

    function containerConfig(command: string[]): ContainerConfig {
      return { metadata: { name: 'main', attempt: 0 }, image: { image: imageRef }, command, labels: { 'io.kubernetes.container.name': 'main' }, annotations: { 'io.kubernetes.container.hash': 'abc' }, logPath: 'main/0.log', linux: {} };
    }

    async function withSandbox(work: (id: string, config: PodSandboxConfig) => Promise<void>): Promise<void> {
      const config = sandboxConfig();
      const { podSandboxId = '' } = await cri.runtime.runPodSandbox({ config });
      try {
        await work(podSandboxId, config);
      } finally {
        await cri.runtime.stopPodSandbox({ podSandboxId });
        await cri.runtime.removePodSandbox({ podSandboxId });
      }
    }

    const statusOf = async (containerId: string) => (await cri.runtime.containerStatus({ containerId })).status ?? {};
    const stateOf = async (containerId: string) => (await statusOf(containerId)).state ?? ContainerState.CONTAINER_CREATED;

    test('version and status', async () => {
      const version = await cri.runtime.version({});
      expect(version.runtimeName).not.toBe('');
      expect(version.runtimeApiVersion).toBe('v1');
      const { status } = await cri.runtime.status({});
      expect(status?.conditions?.map(({ type, status: ready }) => [type, ready])).toEqual(expect.arrayContaining([['RuntimeReady', true], ['NetworkReady', true]]));
    });

    test('a sandbox has an address, keeps its labels, and is found by them', () =>
      withSandbox(async (podSandboxId, config) => {
        const { status } = await cri.runtime.podSandboxStatus({ podSandboxId });
        expect(status?.state ?? 0).toBe(PodSandboxState.SANDBOX_READY);
        expect(status?.network?.ip).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
        expect([status?.metadata, status?.labels, status?.annotations]).toMatchObject([{ uid: config.metadata?.uid }, config.labels, config.annotations]);
        const { items = [] } = await cri.runtime.listPodSandbox({ filter: { labelSelector: { 'io.kubernetes.pod.uid': config.metadata?.uid ?? '' } } });
        expect(items.map(({ id }) => id)).toEqual([podSandboxId]);
        await cri.runtime.stopPodSandbox({ podSandboxId });
        await cri.runtime.stopPodSandbox({ podSandboxId });
        expect((await cri.runtime.podSandboxStatus({ podSandboxId })).status?.state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      }));

    test('a container goes from created to running to exited, and away', () =>
      withSandbox(async (podSandboxId, config) => {
        const { containerId = '' } = await cri.runtime.createContainer({ podSandboxId, config: containerConfig(commands.forever), sandboxConfig: config });
        expect(await stateOf(containerId)).toBe(ContainerState.CONTAINER_CREATED);
        await cri.runtime.startContainer({ containerId });
        const running = await statusOf(containerId);
        expect([running.state, running.metadata, running.logPath]).toEqual([ContainerState.CONTAINER_RUNNING, { name: 'main', attempt: 0 }, `${config.logDirectory}/main/0.log`]);
        expect(running.annotations?.['io.kubernetes.container.hash']).toBe('abc');
        expect(running.startedAt).toBeGreaterThan(0n);
        await cri.runtime.stopContainer({ containerId, timeout: 1n });
        const ended = await statusOf(containerId);
        expect(ended.state).toBe(ContainerState.CONTAINER_EXITED);
        expect(ended.finishedAt).toBeGreaterThanOrEqual(running.startedAt ?? 0n);
        await cri.runtime.stopContainer({ containerId, timeout: 1n });
        await cri.runtime.removeContainer({ containerId });
        await cri.runtime.removeContainer({ containerId });
        await expect(cri.runtime.containerStatus({ containerId })).rejects.toMatchObject({ code: Code.NOT_FOUND });
      }));

    if (runsCommands)
      test('exit codes and reasons', () =>
      withSandbox(async (podSandboxId, config) => {
        for (const [code, reason] of [[0, 'Completed'], [3, 'Error']] as const) {
          const made = containerConfig(commands.exit(code));
          const { containerId = '' } = await cri.runtime.createContainer({ podSandboxId, config: { ...made, metadata: { name: `exit-${code}`, attempt: 0 } }, sandboxConfig: config });
          await cri.runtime.startContainer({ containerId });
          const status = await eventually(() => statusOf(containerId), ({ state }) => state === ContainerState.CONTAINER_EXITED, pass);
          expect([status.state, status.exitCode, status.reason]).toEqual([ContainerState.CONTAINER_EXITED, code, reason]);
        }
      }),
    );

    if (runsCommands)
      test('ExecSync gives output and exit code', () =>
      withSandbox(async (podSandboxId, config) => {
        const { containerId = '' } = await cri.runtime.createContainer({ podSandboxId, config: containerConfig(commands.forever), sandboxConfig: config });
        await cri.runtime.startContainer({ containerId });
        const { stdout, stderr, exitCode = 0 } = await cri.runtime.execSync({ containerId, cmd: ['sh', '-c', 'echo out; echo err >&2; exit 4'], timeout: 10n });
        expect([stdout?.toString(), stderr?.toString(), exitCode]).toEqual(['out\n', 'err\n', 4]);
      }),
    );

    test('removing a sandbox removes its containers; what is gone is not missed', async () => {
      const config = sandboxConfig();
      const { podSandboxId = '' } = await cri.runtime.runPodSandbox({ config });
      const { containerId = '' } = await cri.runtime.createContainer({ podSandboxId, config: containerConfig(commands.forever), sandboxConfig: config });
      await cri.runtime.startContainer({ containerId });
      await cri.runtime.stopPodSandbox({ podSandboxId });
      await cri.runtime.removePodSandbox({ podSandboxId });
      await cri.runtime.removePodSandbox({ podSandboxId });
      await expect(cri.runtime.podSandboxStatus({ podSandboxId })).rejects.toMatchObject({ code: Code.NOT_FOUND });
      const { containers = [] } = await cri.runtime.listContainers({ filter: { id: containerId } });
      expect(containers).toEqual([]);
    });

    test('events tell which pod changed, or the runtime says it has none', async () => {
      const stop = new AbortController();
      const config = sandboxConfig();
      const stream = cri.runtime.getContainerEvents({}, { signal: stop.signal })[Symbol.asyncIterator]();
      const first = stream.next();
      first.catch(() => undefined);
      await pass(50);
      const { podSandboxId = '' } = await cri.runtime.runPodSandbox({ config });
      try {
        const { value } = await first;
        expect([value?.podSandboxStatus?.metadata?.uid, value?.containerId]).toEqual([config.metadata?.uid, podSandboxId]);
      } catch (error) {
        expect(error).toBeInstanceOf(RpcError);
        expect((error as RpcError).code).toBe(Code.UNIMPLEMENTED);
      } finally {
        stop.abort(new Error('done'));
        await cri.runtime.stopPodSandbox({ podSandboxId });
        await cri.runtime.removePodSandbox({ podSandboxId });
      }
    });

    test('images: present after the pull, listed, unknown ones have no status', async () => {
      expect((await cri.images.imageStatus({ image: { image } })).image?.id).toBeTruthy();
      expect(((await cri.images.listImages({})).images ?? []).length).toBeGreaterThan(0);
      expect((await cri.images.imageStatus({ image: { image: 'example.invalid/nothing:1' } })).image).toBeUndefined();
    });
  });
}
