import {
  type ContainerConfig, ContainerEventType, ContainerState, type CreateContainerRequest, NamespaceMode, type PodSandboxConfig, type PodSandboxMetadata,
} from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { Attachment, VnetSwitch } from '@orrery/vnet';
import { Container, type ContainerDeps } from './container.ts';
import { checkDevices } from './devices.ts';
import { EventBus, SandboxEvent } from './events.ts';
import { openHostPorts } from './host-ports.ts';
import { findById, nanoseconds, newId, notFound } from './ids.ts';
import type { ImageStore } from './image-store.ts';
import { Ipam } from './ipam.ts';
import type { LogSink } from './logs.ts';
import { Machine } from './machine.ts';
import { type ImageMounts, type MountSource, imageMounts } from './mounts.ts';
import { NodePids } from '../process/pid-space.ts';
import type { DialTls, ServerKit } from '../process/proc.ts';
import { Sandbox } from './sandbox.ts';
import { readScript } from './script.ts';

export interface NodeRuntimeOptions {
  readonly switch: VnetSwitch;
  readonly images: ImageStore;
  readonly mounts: MountSource;
  readonly logs: LogSink | undefined;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly initIgnoresSignals: boolean;
  readonly runtimeHandlers: readonly string[];
  readonly dialTls: DialTls | undefined;
  readonly servers: ServerKit | undefined;
}

const sandboxName = ({ name = '', namespace = '', uid = '', attempt = 0 }: PodSandboxMetadata): string => `${name}_${namespace}_${uid}_${attempt}`;

/** The sandboxes and containers of one node. Operations are idempotent where CRI wants them to be. */
export class NodeRuntime {
  readonly sandboxes = new Map<string, Sandbox>();
  readonly containers = new Map<string, Container>();
  readonly events = new EventBus();
  readonly ipam = new Ipam();
  readonly options: NodeRuntimeOptions;
  private readonly env: Env;
  private readonly containerDeps: ContainerDeps;
  private readonly imageMounts: ImageMounts;
  private readonly nodePids: NodePids;
  /** Names that are taken, as containerd reserves them. */
  private readonly sandboxNames = new Map<string, string>();
  private readonly containerNames = new Map<string, string>();
  /** Made when a container looks at its files. */
  private machine: Machine | undefined;
  /** Containers on their way out, which do not start any more. */
  private readonly removing = new WeakSet<Container>();

  constructor(env: Env, options: NodeRuntimeOptions) {
    this.env = env;
    this.options = options;
    this.imageMounts = imageMounts(options.images);
    this.nodePids = new NodePids({ startedAtMs: env.clock.now(), tables: () => [...this.containers.values()].flatMap(({ table }) => table ?? []) });
    this.containerDeps = {
      env,
      machine: () => (this.machine ??= this.createMachine()),
      logs: options.logs,
      mounts: options.mounts,
      imageMounts: this.imageMounts,
      nodeMemoryBytes: options.memoryBytes,
      nodeCpus: options.cpus,
      initIgnoresSignals: options.initIgnoresSignals,
      dialTls: options.dialTls,
      servers: options.servers,
      targetOf: (id) => findById(this.containers, id),
      onExit: (container) => this.emit(container, ContainerEventType.CONTAINER_STOPPED_EVENT),
    };
  }

  private createMachine(): Machine {
    const { options } = this;
    return new Machine(this.env, {
      name: options.switch.node,
      memoryBytes: options.memoryBytes,
      cpus: options.cpus,
      source: options.mounts,
      logs: options.logs,
      pids: this.nodePids,
      usedBytes: () => [...this.containers.values()].reduce((sum, { memoryUsed }) => sum + memoryUsed, 0),
      // Those that have not looked at their files yet are to see them as they were without it.
      beforeMount: () => {
        for (const container of this.containers.values()) container.bindVolumes();
      },
    });
  }

  setPodCidr(podCidr: string): void {
    this.ipam.setCidr(podCidr);
    this.options.switch.setPodCidr(podCidr);
  }

  sandbox(id: string): Sandbox {
    const found = findById(this.sandboxes, id);
    if (!found) throw notFound(`an error occurred when try to find sandbox: not found`);
    return found;
  }

  container(id: string): Container {
    const found = findById(this.containers, id);
    if (!found) throw notFound(`an error occurred when try to find container ${JSON.stringify(id)}: not found`);
    return found;
  }

  private emit(subject: Sandbox | Container, type: ContainerEventType): void {
    if (!this.events.active) return;
    const sandbox = subject instanceof Sandbox ? subject : subject.sandbox;
    this.events.publish(new SandboxEvent(sandbox, { id: subject.id, type, createdAt: nanoseconds(this.env.clock.now()) }));
  }

  runSandbox(config: PodSandboxConfig | undefined, runtimeHandler: string): Sandbox {
    const { metadata } = config ?? {};
    if (!config || !metadata?.name || !metadata.uid) throw new RpcError(Code.INVALID_ARGUMENT, 'sandbox config must include metadata with name and uid');
    if (runtimeHandler && !this.options.runtimeHandlers.includes(runtimeHandler)) {
      throw new RpcError(Code.UNKNOWN, `failed to get sandbox runtime: no runtime for "${runtimeHandler}" is configured`);
    }
    const id = newId(this.env.random);
    const name = sandboxName(metadata);
    const holder = this.sandboxNames.get(name);
    if (holder) throw new RpcError(Code.UNKNOWN, `failed to reserve sandbox name "${name}": name "${name}" is reserved for "${holder}"`);
    const hostNetwork = config.linux?.securityContext?.namespaceOptions?.network === NamespaceMode.NODE;
    const attachment = hostNetwork ? undefined : this.attach(id, config);
    const sandbox = new Sandbox({ id, config, runtimeHandler, createdAtMs: this.env.clock.now(), nodeName: this.options.switch.node, hostStack: this.options.switch.hostStack, attachment, nodePids: this.nodePids });
    this.sandboxes.set(id, sandbox);
    this.sandboxNames.set(name, id);
    this.emit(sandbox, ContainerEventType.CONTAINER_CREATED_EVENT);
    this.emit(sandbox, ContainerEventType.CONTAINER_STARTED_EVENT);
    return sandbox;
  }

  private attach(id: string, config: PodSandboxConfig): Attachment {
    const failed = (why: string): RpcError => new RpcError(Code.UNKNOWN, `failed to setup network for sandbox "${id}": ${why}`);
    if (!this.ipam.ready) throw failed('cni plugin not initialized');
    const ips = this.ipam.allocate();
    let attachment: Attachment | undefined;
    try {
      attachment = this.options.switch.attach({ ips });
      return this.withHostPorts(attachment, config);
    } catch (error) {
      attachment?.detach();
      this.ipam.release(ips);
      throw failed((error as Error).message);
    }
  }

  private withHostPorts(attachment: Attachment, { portMappings }: PodSandboxConfig): Attachment {
    if (!portMappings?.some(({ hostPort }) => hostPort)) return attachment;
    const close = openHostPorts(portMappings, { host: this.options.switch.hostStack, podIp: attachment.stack.ips[0] ?? '', clock: this.env.clock });
    return {
      stack: attachment.stack,
      detach() {
        close();
        attachment.detach();
      },
    };
  }

  /** Stops the containers, then the network. Nothing to do is fine. */
  async stopSandbox(id: string): Promise<void> {
    const sandbox = findById(this.sandboxes, id);
    if (!sandbox) return;
    // From now on: nothing starts in it between the end of its containers and its own.
    sandbox.ready = false;
    for (const container of sandbox.containers.values()) await container.stop(0);
    if (sandbox.disconnect()) this.ipam.release(sandbox.ips);
    if (sandbox.end()) this.emit(sandbox, ContainerEventType.CONTAINER_STOPPED_EVENT);
  }

  async removeSandbox(id: string): Promise<void> {
    const sandbox = findById(this.sandboxes, id);
    if (!sandbox) return;
    await this.stopSandbox(id);
    for (const container of [...sandbox.containers.values()]) await this.removeContainer(container.id);
    // Somebody else may have removed it meanwhile, and its name be another's.
    if (!this.sandboxes.delete(sandbox.id)) return;
    this.sandboxNames.delete(sandboxName(sandbox.config.metadata ?? {}));
    this.emit(sandbox, ContainerEventType.CONTAINER_DELETED_EVENT);
  }

  createContainer(request: CreateContainerRequest): Container {
    const sandbox = findById(this.sandboxes, request.podSandboxId ?? '');
    if (!sandbox) throw notFound(`failed to find sandbox id ${JSON.stringify(request.podSandboxId)}: not found`);
    const { config } = request;
    if (!config?.metadata?.name) throw new RpcError(Code.INVALID_ARGUMENT, 'container config must include metadata');
    if (!sandbox.ready) throw new RpcError(Code.UNKNOWN, `failed to create container: sandbox container "${sandbox.id}" is not running`);
    const stored = this.options.images.find(config.image?.image ?? '');
    if (!stored) throw notFound(`failed to resolve image "${config.image?.image ?? ''}": not found`);
    for (const { image, imageSubPath } of config.mounts ?? []) if (image?.image) this.imageMounts(image.image, imageSubPath ?? '');
    checkDevices(config, { source: this.containerDeps.mounts, clock: this.env.clock });
    const name = `${sandbox.id}_${config.metadata.name}_${config.metadata.attempt ?? 0}`;
    const holder = this.containerNames.get(name);
    if (holder) throw new RpcError(Code.UNKNOWN, `failed to reserve container name "${config.metadata.name}": name is reserved for "${holder}"`);
    const container = this.newContainer(sandbox, config, stored);
    this.containerNames.set(name, container.id);
    this.containers.set(container.id, container);
    sandbox.containers.set(container.id, container);
    this.emit(container, ContainerEventType.CONTAINER_CREATED_EVENT);
    return container;
  }

  private newContainer(sandbox: Sandbox, config: ContainerConfig, stored: Container['stored']): Container {
    const script = readScript(sandbox.config.annotations, config.metadata?.name ?? '');
    return new Container({ id: newId(this.env.random), sandbox, config, stored, script, deps: this.containerDeps });
  }

  startContainer(id: string): void {
    const container = this.container(id);
    if (!container.sandbox.ready) throw new RpcError(Code.UNKNOWN, `sandbox container "${container.sandbox.id}" is not running`);
    if (this.removing.has(container)) throw new RpcError(Code.UNKNOWN, `failed to set starting state for container ${JSON.stringify(container.id)}: container is in removing state, can't start`);
    container.start();
    this.emit(container, ContainerEventType.CONTAINER_STARTED_EVENT);
  }

  async stopContainer(id: string, timeoutMs: number): Promise<void> {
    await findById(this.containers, id)?.stop(timeoutMs);
  }

  async removeContainer(id: string): Promise<void> {
    const container = findById(this.containers, id);
    if (!container) return;
    this.removing.add(container);
    await container.stop(0);
    if (!this.containers.delete(container.id)) return;
    container.sandbox.containers.delete(container.id);
    const { metadata } = container.config;
    this.containerNames.delete(`${container.sandbox.id}_${metadata?.name ?? ''}_${metadata?.attempt ?? 0}`);
    this.emit(container, ContainerEventType.CONTAINER_DELETED_EVENT);
  }

  /** Ends everything at once, as when the node is switched off. */
  async shutDown(): Promise<void> {
    for (const id of [...this.sandboxes.keys()]) await this.removeSandbox(id);
    this.events.close();
  }

  get runningContainers(): number {
    let count = 0;
    for (const container of this.containers.values()) if (container.state === ContainerState.CONTAINER_RUNNING) count++;
    return count;
  }
}
