import {
  CgroupDriver, type ContainerFilter, type ContainerStats, type ContainerStatsFilter, type PodSandboxFilter, type PodSandboxStats, type PodSandboxStatsFilter, RuntimeServiceDefinition,
} from '@orrery/proto/cri';
import { Code, type Handlers, RpcError, type ServedService, service } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { Container } from './container.ts';
import { stateName } from './container.ts';
import { execSync } from './exec.ts';
import { findById, matchesLabels, nanoseconds, verboseInfo } from './ids.ts';
import type { NodeRuntime } from './node-runtime.ts';
import type { Sandbox } from './sandbox.ts';
import { containerStats, sandboxStats } from './stats.ts';

/** URLs for streaming requests; made by the streaming server. */
export interface StreamingUrls {
  exec(request: { containerId: string; argv: readonly string[]; tty: boolean; stdin: boolean; stdout: boolean; stderr: boolean }): Promise<string>;
  attach(request: { containerId: string; tty: boolean; stdin: boolean; stdout: boolean; stderr: boolean }): Promise<string>;
  portForward(request: { sandboxId: string; ports: readonly number[] }): Promise<string>;
}

export interface RuntimeServiceOptions {
  readonly node: NodeRuntime;
  /** Undefined when no streaming server runs: Exec, Attach and PortForward then answer UNAVAILABLE. */
  readonly streaming: () => StreamingUrls | undefined;
}

const runtimeVersion = '2.1.0-orrery';

function filterSandboxes(node: NodeRuntime, filter: PodSandboxFilter | undefined): Sandbox[] {
  const chosen = filter?.id ? [findById(node.sandboxes, filter.id)].filter((s) => s !== undefined) : [...node.sandboxes.values()];
  return chosen.filter((s) => (filter?.state === undefined || s.state() === (filter.state.state ?? 0)) && matchesLabels(s.config.labels, filter?.labelSelector));
}

function filterContainers(node: NodeRuntime, filter: ContainerFilter | undefined): Container[] {
  const sandbox = filter?.podSandboxId ? findById(node.sandboxes, filter.podSandboxId) : undefined;
  if (filter?.podSandboxId && !sandbox) return [];
  const pool = sandbox?.containers ?? node.containers;
  const chosen = filter?.id ? [findById(pool, filter.id)].filter((c) => c !== undefined) : [...pool.values()];
  return chosen.filter((c) => (filter?.state === undefined || c.state === (filter.state.state ?? 0)) && matchesLabels(c.config.labels, filter?.labelSelector));
}

function sandboxHandlers({ node }: RuntimeServiceOptions, env: Env): Handlers<RuntimeServiceDefinition> {
  return {
    runPodSandbox: async (request) => ({ podSandboxId: node.runSandbox(request.config, request.runtimeHandler ?? '').id }),
    async stopPodSandbox(request) {
      await node.stopSandbox(request.podSandboxId ?? '');
      return {};
    },
    async removePodSandbox(request) {
      await node.removeSandbox(request.podSandboxId ?? '');
      return {};
    },
    async podSandboxStatus(request) {
      const sandbox = node.sandbox(request.podSandboxId ?? '');
      const info = verboseInfo(request.verbose, 'info', () => ({ pid: 1, runtimeHandler: sandbox.runtimeHandler, hostNetwork: sandbox.hostNetwork }));
      // With the containers, as runtimes have it that send events: who looks at a pod needs to ask but once.
      return { status: sandbox.status(), info, containersStatuses: sandbox.containersStatuses(), timestamp: nanoseconds(env.clock.now()) };
    },
    listPodSandbox: async (request) => ({ items: filterSandboxes(node, request.filter).map((s) => s.summary()) }),
    async *streamPodSandboxes(request) {
      yield { podSandboxes: filterSandboxes(node, request.filter).map((s) => s.summary()) };
    },
    async updatePodSandboxResources(request) {
      node.sandbox(request.podSandboxId ?? '');
      return {};
    },
  };
}

function containerHandlers({ node }: RuntimeServiceOptions, env: Env): Handlers<RuntimeServiceDefinition> {
  const running = (id: string): Container => {
    const container = node.container(id);
    if (!container.running) throw new RpcError(Code.UNKNOWN, `container is in ${stateName(container.state)} state`);
    return container;
  };
  return {
    createContainer: async (request) => ({ containerId: node.createContainer(request).id }),
    async startContainer(request) {
      node.startContainer(request.containerId ?? '');
      return {};
    },
    async stopContainer(request) {
      await node.stopContainer(request.containerId ?? '', Number(request.timeout ?? 0n) * 1000);
      return {};
    },
    async removeContainer(request) {
      await node.removeContainer(request.containerId ?? '');
      return {};
    },
    listContainers: async (request) => ({ containers: filterContainers(node, request.filter).map((c) => c.summary()) }),
    async *streamContainers(request) {
      yield { containers: filterContainers(node, request.filter).map((c) => c.summary()) };
    },
    async containerStatus(request) {
      const container = node.container(request.containerId ?? '');
      const info = verboseInfo(request.verbose, 'info', () => ({ sandboxID: container.sandbox.id, pid: 1 }));
      return { status: container.status(), info };
    },
    async updateContainerResources(request) {
      const container = node.container(request.containerId ?? '');
      if (!container.running && container.startedAtMs) throw new RpcError(Code.UNKNOWN, `container is in ${stateName(container.state)} state`);
      container.resources = { ...container.resources, ...Object.fromEntries(Object.entries(request.linux ?? {}).filter(([, v]) => v !== undefined && v !== 0n && v !== '')) };
      container.checkMemory();
      return {};
    },
    async reopenContainerLog(request) {
      running(request.containerId ?? '').output?.reopen();
      return {};
    },
    execSync: async (request, context) =>
      execSync(running(request.containerId ?? ''), { argv: request.cmd ?? [], timeoutMs: Number(request.timeout ?? 0n) * 1000, clock: env.clock, signal: context.signal }),
    async checkpointContainer() {
      throw new RpcError(Code.UNIMPLEMENTED, 'CheckpointContainer is not supported by the emulated runtime');
    },
  };
}

function statsHandlers({ node }: RuntimeServiceOptions, env: Env): Handlers<RuntimeServiceDefinition> {
  const now = (): number => env.clock.now();
  const containers = (filter: ContainerStatsFilter | undefined): ContainerStats[] => filterContainers(node, filter).filter((c) => c.running).map((c) => containerStats(c, now()));
  const sandboxes = (filter: PodSandboxStatsFilter | undefined): PodSandboxStats[] => filterSandboxes(node, filter).filter((s) => s.ready).map((s) => sandboxStats(s, now()));
  return {
    containerStats: async (request) => ({ stats: containerStats(node.container(request.containerId ?? ''), now()) }),
    listContainerStats: async (request) => ({ stats: containers(request.filter) }),
    async *streamContainerStats(request) {
      yield { containerStats: containers(request.filter) };
    },
    podSandboxStats: async (request) => ({ stats: sandboxStats(node.sandbox(request.podSandboxId ?? ''), now()) }),
    listPodSandboxStats: async (request) => ({ stats: sandboxes(request.filter) }),
    async *streamPodSandboxStats(request) {
      yield { podSandboxStats: sandboxes(request.filter) };
    },
    listMetricDescriptors: async () => ({ descriptors: [] }),
    listPodSandboxMetrics: async () => ({ podMetrics: [] }),
    async *streamPodSandboxMetrics() {
      yield { podSandboxMetrics: [] };
    },
  };
}

function streamingHandlers({ node, streaming }: RuntimeServiceOptions): Handlers<RuntimeServiceDefinition> {
  const urls = (): StreamingUrls => {
    const server = streaming();
    if (!server) throw new RpcError(Code.UNAVAILABLE, 'streaming server is not running');
    return server;
  };
  const check = (request: { tty?: boolean | undefined; stderr?: boolean | undefined; stdin?: boolean | undefined; stdout?: boolean | undefined }): void => {
    if (request.tty && request.stderr) throw new RpcError(Code.INVALID_ARGUMENT, 'tty and stderr cannot both be true');
    if (!request.stdin && !request.stdout && !request.stderr) throw new RpcError(Code.INVALID_ARGUMENT, 'one of stdin, stdout, or stderr must be set');
  };
  const streams = (request: { tty?: boolean | undefined; stderr?: boolean | undefined; stdin?: boolean | undefined; stdout?: boolean | undefined }) => ({
    tty: request.tty ?? false,
    stdin: request.stdin ?? false,
    stdout: request.stdout ?? false,
    stderr: request.stderr ?? false,
  });
  const mustRun = (id: string): Container => {
    const container = node.container(id);
    if (!container.running) throw new RpcError(Code.UNKNOWN, `container is in ${stateName(container.state)} state`);
    return container;
  };
  return {
    async exec(request) {
      check(request);
      return { url: await urls().exec({ containerId: mustRun(request.containerId ?? '').id, argv: request.cmd ?? [], ...streams(request) }) };
    },
    async attach(request) {
      check(request);
      return { url: await urls().attach({ containerId: mustRun(request.containerId ?? '').id, ...streams(request) }) };
    },
    async portForward(request) {
      const sandbox = node.sandbox(request.podSandboxId ?? '');
      if (!sandbox.ready) throw new RpcError(Code.UNKNOWN, `sandbox container "${sandbox.id}" is not running`);
      return { url: await urls().portForward({ sandboxId: sandbox.id, ports: request.port ?? [] }) };
    },
  };
}

/** CRI's runtime service over one node. */
export function runtimeService(env: Env, options: RuntimeServiceOptions): ServedService {
  const { node } = options;
  return service(RuntimeServiceDefinition, {
    ...sandboxHandlers(options, env),
    ...containerHandlers(options, env),
    ...statsHandlers(options, env),
    ...streamingHandlers(options),
    version: async () => ({ version: '0.1.0', runtimeName: 'orrery', runtimeVersion, runtimeApiVersion: 'v1' }),
    async updateRuntimeConfig(request) {
      const podCidr = request.runtimeConfig?.networkConfig?.podCidr;
      if (podCidr) node.setPodCidr(podCidr);
      return {};
    },
    async status(request) {
      const network = node.ipam.ready
        ? { type: 'NetworkReady', status: true, reason: '', message: '' }
        : { type: 'NetworkReady', status: false, reason: 'NetworkPluginNotReady', message: 'Network plugin returns error: cni plugin not initialized' };
      return {
        status: { conditions: [{ type: 'RuntimeReady', status: true, reason: '', message: '' }, network] },
        info: verboseInfo(request.verbose, 'config', () => ({ podCidr: node.ipam.cidr })),
        runtimeHandlers: ['', ...node.options.runtimeHandlers].map((name) => ({ name, features: { recursiveReadOnlyMounts: true, userNamespaces: true } })),
        features: { supplementalGroupsPolicy: true },
      };
    },
    runtimeConfig: async () => ({ linux: { cgroupDriver: CgroupDriver.SYSTEMD } }),
    getContainerEvents: (_request, context) => node.events.subscribe(context.signal),
  });
}

