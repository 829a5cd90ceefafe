import { type ContainerStatus, type LinuxPodSandboxStatus, NamespaceMode, type PodSandbox, type PodSandboxConfig, type PodSandboxNetworkStatus, type PodSandboxStatus, PodSandboxState } from '@orrery/proto/cri';
import type { Attachment, NetStack } from '@orrery/vnet';
import { type PidSpace, PodPids } from '../process/pid-space.ts';
import type { Container } from './container.ts';
import { nanoseconds } from './ids.ts';

/** A sandbox at one moment. What does not change is put together when it is read. */
class SandboxStatus implements PodSandboxStatus {
  readonly state: PodSandboxState;
  private readonly sandbox: Sandbox;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.state = sandbox.state();
  }

  get id(): string {
    return this.sandbox.id;
  }

  get metadata(): PodSandboxStatus['metadata'] {
    return this.sandbox.config.metadata;
  }

  get createdAt(): bigint {
    return nanoseconds(this.sandbox.createdAtMs);
  }

  get labels(): Record<string, string> {
    return this.sandbox.config.labels ?? {};
  }

  get annotations(): Record<string, string> {
    return this.sandbox.config.annotations ?? {};
  }

  get runtimeHandler(): string {
    return this.sandbox.runtimeHandler;
  }

  get network(): PodSandboxNetworkStatus {
    const ips = this.state === PodSandboxState.SANDBOX_READY ? this.sandbox.ips : [];
    return { ip: ips[0] ?? '', additionalIps: ips.length > 1 ? ips.slice(1).map((ip) => ({ ip })) : [] };
  }

  get linux(): LinuxPodSandboxStatus {
    const { config, hostNetwork } = this.sandbox;
    return { namespaces: { options: config.linux?.securityContext?.namespaceOptions ?? { network: hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD } } };
  }
}

/** One pod's sandbox: its network namespace and its containers. */
export class Sandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly runtimeHandler: string;
  readonly createdAtMs: number;
  readonly hostNetwork: boolean;
  private readonly nodeName: string;
  readonly stack: NetStack;
  /** Addresses of its own; none on the node's network. */
  readonly ips: readonly string[];
  readonly containers = new Map<string, Container>();
  /** Set where the pod's containers see each other's processes, or the node's. */
  readonly pids: PidSpace | undefined;
  private attachment: Attachment | undefined;
  ready = true;
  private over = false;

  constructor(options: { id: string; config: PodSandboxConfig; runtimeHandler: string; createdAtMs: number; nodeName: string; hostStack: NetStack; attachment: Attachment | undefined; nodePids: PidSpace }) {
    this.id = options.id;
    this.config = options.config;
    this.runtimeHandler = options.runtimeHandler;
    this.createdAtMs = options.createdAtMs;
    this.attachment = options.attachment;
    this.nodeName = options.nodeName;
    this.hostNetwork = !options.attachment;
    this.stack = options.attachment?.stack ?? options.hostStack;
    this.ips = options.attachment?.stack.ips ?? [];
    // POD is CRI's default: where nothing is said it is not even on the wire.
    const { namespaceOptions } = options.config.linux?.securityContext ?? {};
    const pid = namespaceOptions && (namespaceOptions.pid ?? NamespaceMode.POD);
    this.pids = pid === NamespaceMode.POD ? new PodPids({ startedAtMs: options.createdAtMs }) : pid === NamespaceMode.NODE ? options.nodePids : undefined;
  }

  get hostname(): string {
    if (this.config.hostname) return this.config.hostname;
    return this.hostNetwork ? this.nodeName : this.config.metadata?.name || this.id.slice(0, 12);
  }

  /** Takes the pod off the network. True the first time. */
  disconnect(): boolean {
    const { attachment } = this;
    this.attachment = undefined;
    attachment?.detach();
    return attachment !== undefined;
  }

  /** What was to end has ended. True the first time. */
  end(): boolean {
    const isFirst = !this.over;
    this.over = true;
    return isFirst;
  }

  state(): PodSandboxState {
    return this.ready ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;
  }

  summary(): PodSandbox {
    const { metadata, labels, annotations } = this.config;
    return { id: this.id, metadata, state: this.state(), createdAt: nanoseconds(this.createdAtMs), labels: labels ?? {}, annotations: annotations ?? {}, runtimeHandler: this.runtimeHandler };
  }

  status(): PodSandboxStatus {
    return new SandboxStatus(this);
  }

  containersStatuses(): ContainerStatus[] {
    const statuses: ContainerStatus[] = [];
    for (const container of this.containers.values()) statuses.push(container.status());
    return statuses;
  }
}
