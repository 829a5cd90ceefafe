import { type ContainerFilter, type LinuxContainerResources, type PodSandboxFilter, ContainerState, ImageServiceDefinition, RuntimeServiceDefinition } from '@orrery/proto/cri';
import { Code, RpcError, type ServedService, service } from '@orrery/rpc';
import { type FakeContainer, statsOf, statusOf } from './fake-container.ts';
import type { FakeRuntime, FakeSandbox } from './fake-runtime.ts';

const bytes = (text = ''): Buffer => Buffer.from(text);

function labelsMatch(labels: Record<string, string> | undefined, selector: Record<string, string> | undefined): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels?.[key] === value);
}

function sandboxMatches(sandbox: FakeSandbox, filter: PodSandboxFilter | undefined): boolean {
  if (filter?.id && filter.id !== sandbox.id) return false;
  if (filter?.state && (filter.state.state ?? 0) !== sandbox.state) return false;
  return labelsMatch(sandbox.config.labels, filter?.labelSelector);
}

function containerMatches(container: FakeContainer, filter: ContainerFilter | undefined): boolean {
  if (filter?.id && filter.id !== container.id) return false;
  if (filter?.podSandboxId && filter.podSandboxId !== container.sandboxId) return false;
  if (filter?.state && (filter.state.state ?? 0) !== container.state) return false;
  return labelsMatch(container.config.labels, filter?.labelSelector);
}

function sandboxService(fake: FakeRuntime) {
  return {
    runPodSandbox: async ({ config }: { config?: FakeSandbox['config'] }) => ({ podSandboxId: fake.runSandbox(config ?? {}).id }),
    stopPodSandbox: async ({ podSandboxId = '' }) => (fake.stopSandbox(podSandboxId), {}),
    removePodSandbox: async ({ podSandboxId = '' }) => (fake.removeSandbox(podSandboxId), {}),
    podSandboxStatus: async ({ podSandboxId = '' }) => {
      const sandbox = fake.sandbox(podSandboxId);
      return { status: fake.sandboxStatus(sandbox), containersStatuses: fake.containersOf(podSandboxId).map(statusOf), timestamp: fake.nowNs() };
    },
    updatePodSandboxResources: async ({ podSandboxId = '', resources = {} }: { podSandboxId?: string; resources?: LinuxContainerResources | undefined }) => (fake.sandbox(podSandboxId).updates.push(resources), {}),
    listPodSandbox: async ({ filter }: { filter?: PodSandboxFilter }) => ({
      items: [...fake.sandboxes.values()].filter((s) => sandboxMatches(s, filter)).map((s) => fake.sandboxStatus(s)),
    }),
  };
}

function containerService(fake: FakeRuntime) {
  return {
    createContainer: async ({ podSandboxId = '', config }: { podSandboxId?: string; config?: FakeContainer['config'] }) => ({
      containerId: fake.createContainer(podSandboxId, config ?? {}).id,
    }),
    startContainer: async ({ containerId = '' }) => (fake.startContainer(containerId), {}),
    stopContainer: async ({ containerId = '', timeout = 0n }) => (await fake.stopContainer(containerId, Number(timeout) * 1000), {}),
    removeContainer: async ({ containerId = '' }) => (fake.removeContainer(containerId), {}),
    listContainers: async ({ filter }: { filter?: ContainerFilter }) => ({
      containers: [...fake.containers.values()]
        .filter((c) => containerMatches(c, filter))
        .map((c) => ({ ...statusOf(c), podSandboxId: c.sandboxId })),
    }),
    containerStatus: async ({ containerId = '' }) => ({ status: statusOf(fake.container(containerId)) }),
    execSync: async ({ containerId = '', cmd = [] }: { containerId?: string; cmd?: string[] }) => {
      const container = fake.container(containerId);
      if (container.state !== ContainerState.CONTAINER_RUNNING) throw new RpcError(Code.FAILED_PRECONDITION, `container ${containerId} is not running`);
      const { exitCode, stdout, stderr } = container.script.exec?.(cmd) ?? { exitCode: 0 };
      return { exitCode, stdout: bytes(stdout), stderr: bytes(stderr) };
    },
    updateContainerResources: async ({ containerId = '', linux = {} }: { containerId?: string; linux?: LinuxContainerResources | undefined }) => {
      const container = fake.container(containerId);
      container.updates.push(linux);
      return {};
    },
    reopenContainerLog: async ({ containerId = '' }) => (fake.container(containerId), {}),
    containerStats: async ({ containerId = '' }) => {
      return { stats: statsOf(fake.container(containerId)) };
    },
    listContainerStats: async () => ({ stats: [...fake.containers.values()].map(statsOf) }),
  };
}

function imageService(fake: FakeRuntime): ServedService {
  return service(ImageServiceDefinition, {
    imageStatus: async ({ image }) => ({ image: fake.findImage(image?.image ?? '') }),
    listImages: async () => ({ images: [...fake.images.values()] }),
    pullImage: async ({ image }) => {
      const name = image?.image ?? '';
      const { delayMs = 0, error } = fake.options.pull?.(name) ?? {};
      fake.calls.push(`pullImage ${name}`);
      if (delayMs) await fake.options.clock.sleep(delayMs);
      if (error) throw new RpcError(Code.UNKNOWN, error);
      fake.images.set(name, { id: name, repoTags: [name], repoDigests: [], size: 1_000_000n, spec: { image: name } });
      return { imageRef: name };
    },
    removeImage: async ({ image }) => (fake.removeImage(image?.image ?? ''), {}),
    imageFsInfo: async () => ({ imageFilesystems: [], containerFilesystems: [] }),
  });
}

/** Records the name of each call before it is served. */
function recorded<T extends Record<string, (request: never, context: never) => unknown>>(fake: FakeRuntime, handlers: T): T {
  const entries = Object.entries(handlers).map(([name, handler]) => [
    name,
    (request: never, context: never) => {
      fake.calls.push(name);
      return handler(request, context);
    },
  ]);
  return Object.fromEntries(entries) as T;
}

export function fakeServices(fake: FakeRuntime): ServedService[] {
  const runtime = service(RuntimeServiceDefinition, {
    ...recorded(fake, sandboxService(fake)),
    ...recorded(fake, containerService(fake)),
    version: async () => ({ version: '0.1.0', runtimeName: 'fake', runtimeVersion: '1.0.0', runtimeApiVersion: 'v1' }),
    updateRuntimeConfig: async ({ runtimeConfig }) => {
      fake.podCidr = runtimeConfig?.networkConfig?.podCidr ?? '';
      return {};
    },
    status: async () => ({
      status: {
        conditions: [
          { type: 'RuntimeReady', status: fake.runtimeReady },
          fake.podCidr ? { type: 'NetworkReady', status: true } : { type: 'NetworkReady', status: false, reason: 'NetworkPluginNotReady', message: 'no pod CIDR' },
        ],
      },
    }),
    getContainerEvents: (_request, context) => {
      const stream = fake.events();
      context.signal.addEventListener('abort', () => stream.end(), { once: true });
      return stream;
    },
  });
  return [runtime, imageService(fake)];
}
