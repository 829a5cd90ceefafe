import {
  type ContainerEventResponse,
  type Image,
  type LinuxContainerResources,
  type PodSandboxConfig,
  type PodSandboxStatus,
  ContainerEventType,
  ContainerState,
  NamespaceMode,
  PodSandboxState,
} from '@orrery/proto/cri';
import { AsyncQueue, type Channel, Code, RpcError, inMemoryChannel } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { type FakeContainer, type FakeScript, statusOf } from './fake-container.ts';
import { fakeServices } from './fake-services.ts';

export interface FakeSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly ip: string;
  readonly createdAt: bigint;
  state: PodSandboxState;
  /** What its resources as a whole were changed to. */
  readonly updates: LinuxContainerResources[];
}

export interface FakeRuntimeOptions {
  readonly clock: Clock;
  /** Chooses what a container does, from its image, command, labels. */
  readonly script?: (container: { image: string; name: string; attempt: number; pod: string }) => FakeScript;
  /** Answer of PullImage: milliseconds it takes, or an error's text. Default: at once. */
  readonly pull?: (image: string) => { delayMs?: number; error?: string };
}

/**
 * A container runtime without containers: it keeps the state of the CRI and moves it on the clock. For tests of what
 * drives a runtime. `calls` records every method by name, in order.
 */
export class FakeRuntime {
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly containers = new Map<string, FakeContainer>();
  readonly images = new Map<string, Image>();
  readonly calls: string[] = [];
  podCidr = '';
  /** What Status reports besides the network, which is ready once it has a pod CIDR. */
  runtimeReady = true;
  readonly options: FakeRuntimeOptions;
  private readonly streams = new Set<AsyncQueue<ContainerEventResponse>>();
  private nextId = 1;
  private nextIp = 2;

  constructor(options: FakeRuntimeOptions) {
    this.options = options;
  }

  channel(): Channel {
    return inMemoryChannel(fakeServices(this));
  }

  /** Forgets everything, as a node that lost power does; streams of events break. */
  reset(): void {
    for (const container of this.containers.values()) container.exit?.cancel();
    this.sandboxes.clear();
    this.containers.clear();
    this.breakStreams();
  }

  breakStreams(): void {
    for (const stream of this.streams) stream.end(new RpcError(Code.UNAVAILABLE, 'runtime restarted'));
    this.streams.clear();
  }

  /** Ends a running container, as if its program had exited. */
  exit(id: string, end: { exitCode: number; reason?: string; message?: string }): void {
    const container = this.container(id);
    if (container.state !== ContainerState.CONTAINER_RUNNING) return;
    container.exit?.cancel();
    container.state = ContainerState.CONTAINER_EXITED;
    container.finishedAt = this.nowNs();
    container.exitCode = end.exitCode;
    container.reason = end.reason ?? (end.exitCode === 0 ? 'Completed' : 'Error');
    container.message = end.message ?? '';
    for (const waiter of container.waiters.splice(0)) waiter();
    this.emit(container, ContainerEventType.CONTAINER_STOPPED_EVENT);
  }

  runSandbox(config: PodSandboxConfig): FakeSandbox {
    const host = config.linux?.securityContext?.namespaceOptions?.network === NamespaceMode.NODE;
    const prefix = (this.podCidr || '10.244.0.0/24').split('.').slice(0, 3).join('.');
    const ip = host ? '' : `${prefix}.${this.nextIp++}`;
    const sandbox: FakeSandbox = { id: this.id(), config, ip, createdAt: this.nowNs(), state: PodSandboxState.SANDBOX_READY, updates: [] };
    this.sandboxes.set(sandbox.id, sandbox);
    this.emit(sandbox, ContainerEventType.CONTAINER_CREATED_EVENT);
    this.emit(sandbox, ContainerEventType.CONTAINER_STARTED_EVENT);
    return sandbox;
  }

  stopSandbox(id: string): void {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox || sandbox.state === PodSandboxState.SANDBOX_NOTREADY) return;
    for (const container of this.containersOf(id)) this.exit(container.id, { exitCode: 137 });
    sandbox.state = PodSandboxState.SANDBOX_NOTREADY;
    this.emit(sandbox, ContainerEventType.CONTAINER_STOPPED_EVENT);
  }

  createContainer(sandboxId: string, config: FakeContainer['config']): FakeContainer {
    const sandbox = this.sandbox(sandboxId);
    const image = config.image?.image ?? '';
    if (!this.findImage(image)) throw new RpcError(Code.NOT_FOUND, `failed to resolve image "${image}": not found`);
    const { name = '', attempt = 0 } = config.metadata ?? {};
    const script = this.options.script?.({ image, name, attempt, pod: sandbox.config.metadata?.name ?? '' }) ?? {};
    if (script.createError) throw new RpcError(Code.UNKNOWN, script.createError);
    const container: FakeContainer = {
      id: this.id(),
      sandboxId,
      config,
      script,
      logPath: `${sandbox.config.logDirectory ?? ''}/${config.logPath ?? ''}`,
      createdAt: this.nowNs(),
      updates: [],
      state: ContainerState.CONTAINER_CREATED,
      startedAt: 0n,
      finishedAt: 0n,
      exitCode: 0,
      reason: '',
      message: '',
      waiters: [],
    };
    this.containers.set(container.id, container);
    this.emit(container, ContainerEventType.CONTAINER_CREATED_EVENT);
    return container;
  }

  startContainer(id: string): void {
    const container = this.container(id);
    if (container.state !== ContainerState.CONTAINER_CREATED) throw new RpcError(Code.FAILED_PRECONDITION, `container ${id} is not in created state`);
    const { script } = container;
    if (script.startError) {
      Object.assign(container, { state: ContainerState.CONTAINER_EXITED, exitCode: 128, reason: 'StartError', message: script.startError, finishedAt: this.nowNs() });
      throw new RpcError(Code.UNKNOWN, script.startError);
    }
    container.state = ContainerState.CONTAINER_RUNNING;
    container.startedAt = this.nowNs();
    const { exitAfterMs, exitCode = 0, reason, message } = script;
    if (exitAfterMs !== undefined) {
      const end = { exitCode, ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
      container.exit = this.options.clock.after(exitAfterMs, () => this.exit(id, end));
    }
    this.emit(container, ContainerEventType.CONTAINER_STARTED_EVENT);
  }

  /** SIGTERM, then SIGKILL after the timeout; resolves when it has ended. */
  async stopContainer(id: string, timeoutMs: number): Promise<void> {
    const container = this.containers.get(id);
    if (!container) return;
    if (container.state === ContainerState.CONTAINER_CREATED) {
      Object.assign(container, { state: ContainerState.CONTAINER_EXITED, exitCode: 137, reason: 'Error', finishedAt: this.nowNs() });
    }
    if (container.state !== ContainerState.CONTAINER_RUNNING) return;
    const { stopMs = 0 } = container.script;
    if (stopMs === 0 && timeoutMs > 0) return this.exit(id, { exitCode: 0 });
    if (timeoutMs === 0) return this.exit(id, { exitCode: 137 });
    const ended = new Promise<void>((resolve) => container.waiters.push(resolve));
    container.exit?.cancel();
    const graceful = stopMs <= timeoutMs;
    container.exit = this.options.clock.after(Math.min(stopMs, timeoutMs), () => this.exit(id, { exitCode: graceful ? 0 : 137 }));
    await ended;
  }

  removeContainer(id: string): void {
    const container = this.containers.get(id);
    if (!container) return;
    this.exit(id, { exitCode: 137 });
    this.containers.delete(id);
    this.emit(container, ContainerEventType.CONTAINER_DELETED_EVENT);
  }

  removeSandbox(id: string): void {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) return;
    this.stopSandbox(id);
    for (const container of this.containersOf(id)) this.removeContainer(container.id);
    this.sandboxes.delete(id);
    this.emit(sandbox, ContainerEventType.CONTAINER_DELETED_EVENT);
  }

  findImage(name: string): Image | undefined {
    return this.images.get(name) ?? [...this.images.values()].find((image) => image.id === name);
  }

  /** By any of its names, or its id. */
  removeImage(name: string): void {
    const found = this.findImage(name);
    for (const [key, image] of [...this.images]) if (image === found) this.images.delete(key);
  }

  sandbox(id: string): FakeSandbox {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) throw new RpcError(Code.NOT_FOUND, `sandbox "${id}" not found`);
    return sandbox;
  }

  container(id: string): FakeContainer {
    const container = this.containers.get(id);
    if (!container) throw new RpcError(Code.NOT_FOUND, `container "${id}" not found`);
    return container;
  }

  containersOf(sandboxId: string): FakeContainer[] {
    return [...this.containers.values()].filter((container) => container.sandboxId === sandboxId);
  }

  sandboxStatus(sandbox: FakeSandbox): PodSandboxStatus {
    const { id, config, state, createdAt, ip } = sandbox;
    const { metadata, labels, annotations, linux } = config;
    const options = linux?.securityContext?.namespaceOptions;
    return { id, metadata, state, createdAt, network: { ip }, linux: { namespaces: { options } }, labels, annotations };
  }

  nowNs(): bigint {
    return BigInt(Math.floor(this.options.clock.now())) * 1_000_000n;
  }

  events(): AsyncQueue<ContainerEventResponse> {
    const stream = new AsyncQueue<ContainerEventResponse>();
    this.streams.add(stream);
    return stream;
  }

  private id(): string {
    return (this.nextId++).toString(16).padStart(64, '0');
  }

  private emit(subject: FakeSandbox | FakeContainer, containerEventType: ContainerEventType): void {
    if (this.streams.size === 0) return;
    const sandbox = this.sandboxes.get('sandboxId' in subject ? subject.sandboxId : subject.id);
    const event: ContainerEventResponse = {
      containerId: subject.id,
      containerEventType,
      createdAt: this.nowNs(),
      ...(sandbox ? { podSandboxStatus: this.sandboxStatus(sandbox), containersStatuses: this.containersOf(sandbox.id).map(statusOf) } : {}),
    };
    for (const stream of this.streams) stream.push(event);
  }
}
