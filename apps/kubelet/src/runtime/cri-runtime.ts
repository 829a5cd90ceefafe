import type { NodeStatus } from '@orrery/api/types';
import { type CriClients, criClients } from '@orrery/cri';
import type { ContainerConfig, ContainerEventResponse, ContainerStatus, LinuxContainerResources, PodSandboxConfig } from '@orrery/proto/cri';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { toRuntimeContainer, toRuntimeSandbox } from './convert.ts';
import { containerHashAnnotation, podNameLabel, podNamespaceLabel, podUidLabel } from './labels.ts';
import { type PodRuntime, type RuntimeContainer, type RuntimeSandbox, newestFirst } from './pod-runtime.ts';

/** What the runtime holds of some pod, by the labels of its sandboxes. */
export interface KnownPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly sandboxIds: string[];
}

export interface RuntimeHealth {
  readonly runtimeReady: boolean;
  readonly networkReady: boolean;
  /** Empty when all is well; worded like upstream's. */
  readonly problems: readonly string[];
  /** What the runtime's handlers can do, the default one under the empty name. */
  readonly handlers?: NonNullable<NodeStatus['runtimeHandlers']>;
  readonly features?: NonNullable<NodeStatus['features']>;
}

/** What the runtime does not have is gone already. */
function missing(error: unknown): undefined {
  if (error instanceof RpcError && error.code === Code.NOT_FOUND) return undefined;
  throw error;
}

/** Made by a kubelet, not by hand. */
const isOurs = ({ annotations }: { readonly annotations?: Readonly<Record<string, string>> | undefined }): boolean => annotations?.[containerHashAnnotation] !== undefined;

/** The container runtime as the kubelet uses it: CRI in the kubelet's own terms. Failures are RpcErrors. */
export class CriRuntime {
  readonly clients: CriClients;

  constructor(channel: Channel) {
    this.clients = criClients(channel);
  }

  async version(): Promise<{ name: string; version: string }> {
    const { runtimeName = '', runtimeVersion = '' } = await this.clients.runtime.version({});
    return { name: runtimeName, version: runtimeVersion };
  }

  async health(): Promise<RuntimeHealth> {
    const { status, runtimeHandlers, features } = await this.clients.runtime.status({});
    const conditions = status?.conditions ?? [];
    const ready = (type: string): boolean => conditions.find((condition) => condition.type === type)?.status === true;
    const problems = conditions
      .filter(({ type, status: isReady }) => isReady !== true && (type === 'RuntimeReady' || type === 'NetworkReady'))
      .map(({ type = '', reason = '', message = '' }) => `container runtime ${type === 'NetworkReady' ? 'network ' : ''}not ready: ${type}=false reason:${reason} message:${message}`);
    return {
      runtimeReady: ready('RuntimeReady'),
      networkReady: ready('NetworkReady'),
      problems,
      ...(runtimeHandlers?.length ? { handlers: runtimeHandlers.map(({ name = '', features: can = {} }) => ({ name, features: { recursiveReadOnlyMounts: can.recursiveReadOnlyMounts ?? false, userNamespaces: can.userNamespaces ?? false } })) } : {}),
      ...(features ? { features: { supplementalGroupsPolicy: features.supplementalGroupsPolicy ?? false } } : {}),
    };
  }

  async setPodCidr(podCidr: string): Promise<void> {
    await this.clients.runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr } } });
  }

  /** All pods the runtime has sandboxes of. */
  async pods(): Promise<Map<string, KnownPod>> {
    const pods = new Map<string, KnownPod>();
    const { items = [] } = await this.clients.runtime.listPodSandbox({});
    for (const { id = '', labels = {} } of items) {
      const uid = labels[podUidLabel];
      if (!uid) continue;
      let pod = pods.get(uid);
      if (!pod) pods.set(uid, (pod = { uid, name: labels[podNameLabel] ?? '', namespace: labels[podNamespaceLabel] ?? '', sandboxIds: [] }));
      pod.sandboxIds.push(id);
    }
    return pods;
  }

  /** The ids of all sandboxes the runtime has of a pod. */
  async sandboxIds(uid: string): Promise<string[]> {
    const { items = [] } = await this.clients.runtime.listPodSandbox({ filter: { labelSelector: { [podUidLabel]: uid } } });
    return items.flatMap(({ id }) => id ?? []);
  }

  /** The state of the given sandboxes and all their containers; those that are gone are left out. */
  async podRuntime(sandboxIds: Iterable<string>): Promise<PodRuntime> {
    const sandboxes: RuntimeSandbox[] = [];
    const containers: RuntimeContainer[] = [];
    for (const podSandboxId of sandboxIds) {
      const response = await this.clients.runtime.podSandboxStatus({ podSandboxId }).catch(missing);
      if (!response?.status) continue;
      sandboxes.push(toRuntimeSandbox(response.status));
      const { containersStatuses, timestamp = 0n } = response;
      // Runtimes with evented PLEG send the statuses along; others are asked one by one.
      const statuses = containersStatuses?.length || timestamp > 0n ? (containersStatuses ?? []) : await this.containerStatuses(podSandboxId);
      for (const status of statuses) if (isOurs(status)) containers.push(toRuntimeContainer(status, podSandboxId));
    }
    if (sandboxes.length > 1) sandboxes.sort((a, b) => b.attempt - a.attempt || b.createdMs - a.createdMs);
    if (containers.length > 1) containers.sort(newestFirst);
    // Kept for as long as the pod lives: without the room that arrays have for more once something was pushed.
    return { sandboxes: sandboxes.slice(), containers: containers.slice() };
  }

  runSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<string> {
    return this.clients.runtime.runPodSandbox({ config, runtimeHandler }).then(({ podSandboxId = '' }) => podSandboxId);
  }

  async stopSandbox(podSandboxId: string): Promise<void> {
    await this.clients.runtime.stopPodSandbox({ podSandboxId }).catch(missing);
  }

  async removeSandbox(podSandboxId: string): Promise<void> {
    await this.clients.runtime.removePodSandbox({ podSandboxId }).catch(missing);
  }

  createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig): Promise<string> {
    return this.clients.runtime.createContainer({ podSandboxId, config, sandboxConfig }).then(({ containerId = '' }) => containerId);
  }

  async startContainer(containerId: string): Promise<void> {
    await this.clients.runtime.startContainer({ containerId });
  }

  /** Resources of a pod as a whole; runtimes from before there were such need not be told. */
  async updateSandbox(podSandboxId: string, resources: LinuxContainerResources): Promise<void> {
    await this.clients.runtime.updatePodSandboxResources({ podSandboxId, resources, overhead: {} }).catch((error: unknown) => {
      if (!(error instanceof RpcError && error.code === Code.UNIMPLEMENTED)) throw error;
    });
  }

  /** Changes what a running container may use. */
  async updateResources(containerId: string, linux: LinuxContainerResources): Promise<void> {
    await this.clients.runtime.updateContainerResources({ containerId, linux });
  }

  /** Bytes of memory that a container uses now; 0 when the runtime does not know. */
  async memoryUsage(containerId: string): Promise<number> {
    const { stats } = await this.clients.runtime.containerStats({ containerId });
    return Number(stats?.memory?.workingSetBytes?.value ?? 0n);
  }

  /** Resolves when the container has ended. */
  async stopContainer(containerId: string, graceSeconds: number, signal?: AbortSignal): Promise<void> {
    const timeoutMs = graceSeconds * 1000 + 120_000;
    await this.clients.runtime.stopContainer({ containerId, timeout: BigInt(graceSeconds) }, { timeoutMs, ...(signal ? { signal } : {}) }).catch(missing);
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.clients.runtime.removeContainer({ containerId }).catch(missing);
  }

  /** Exit code and output of a command in a container. Fails with DEADLINE_EXCEEDED when it takes too long. */
  async execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number): Promise<{ exitCode: number; output: string }> {
    const { exitCode = 0, stdout, stderr } = await this.clients.runtime.execSync({ containerId, cmd: [...cmd], timeout: BigInt(timeoutSeconds) });
    return { exitCode, output: `${stdout?.toString() ?? ''}${stderr?.toString() ?? ''}` };
  }

  events(signal: AbortSignal): AsyncIterable<ContainerEventResponse> {
    return this.clients.runtime.getContainerEvents({}, { signal });
  }

  private async containerStatuses(podSandboxId: string): Promise<ContainerStatus[]> {
    const { containers = [] } = await this.clients.runtime.listContainers({ filter: { podSandboxId } });
    const found = await Promise.all(containers.filter(isOurs).map(({ id = '' }) => this.clients.runtime.containerStatus({ containerId: id }).catch(missing)));
    return found.flatMap((answer) => answer?.status ?? []);
  }
}
