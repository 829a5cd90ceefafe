import type { Pod } from '@orrery/api/types';
import { ContainerEventType } from '@orrery/proto/cri';

/** One instance of a container, as the runtime knows it. Times are milliseconds since the epoch, 0 when not yet. */
export interface RuntimeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  /** How often the container had been restarted when this instance was made. */
  readonly restartCount: number;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  readonly createdMs: number;
  readonly startedMs: number;
  readonly finishedMs: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageId: string;
  /** Hash of what the instance was made from; see `containerHash`. */
  readonly hash: string;
  readonly logPath: string;
  /** Host path of its termination message, '' when there is none. */
  readonly terminationLog: string;
  /** Whose its first process was, where the runtime tells. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly supplementalGroups: number[] };
  /** The runtime has lost it; the API server remembers it. */
  readonly lost?: true;
}

export interface RuntimeSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly hostNetwork: boolean;
  readonly ips: readonly string[];
  readonly createdMs: number;
}

/** Everything the runtime holds of one pod, newest first. */
export interface PodRuntime {
  readonly sandboxes: readonly RuntimeSandbox[];
  readonly containers: readonly RuntimeContainer[];
}

export const noRuntime: PodRuntime = { sandboxes: [], containers: [] };

/** What the runtime tells of one container or sandbox, given by its id. */
export interface RuntimeEvent {
  readonly id: string;
  readonly type: ContainerEventType;
}

/** Whether the runtime was seen as it is after the event, or later: what was created, started, stopped and deleted never goes back. */
export function showsEvent({ sandboxes, containers }: PodRuntime, { id, type }: RuntimeEvent): boolean {
  const container = containers.find((one) => one.id === id);
  const sandbox = container ? undefined : sandboxes.find((one) => one.id === id);
  switch (type) {
    case ContainerEventType.CONTAINER_CREATED_EVENT:
      return container !== undefined || sandbox !== undefined;
    case ContainerEventType.CONTAINER_STARTED_EVENT:
      return container ? container.state === 'running' || container.state === 'exited' : sandbox !== undefined;
    case ContainerEventType.CONTAINER_STOPPED_EVENT:
      return container ? container.state === 'exited' : sandbox?.ready === false;
    case ContainerEventType.CONTAINER_DELETED_EVENT:
      return container ? container.lost === true : sandbox === undefined;
    default:
      return false;
  }
}

/** The newest instance of a container. */
export function latestContainer(runtime: PodRuntime, name: string): RuntimeContainer | undefined {
  return runtime.containers.find((container) => container.name === name);
}

/** The instance before the newest one. */
export function previousContainer(runtime: PodRuntime, name: string): RuntimeContainer | undefined {
  let seen = false;
  for (const container of runtime.containers) {
    if (container.name !== name) continue;
    if (seen) return container;
    seen = true;
  }
  return undefined;
}

/** `containerd://abc` → `abc` */
export function bareContainerId(id: string): string {
  return id.slice(id.indexOf('://') + 3);
}

/** Newest first: by restart count, then by creation. */
export function newestFirst(a: RuntimeContainer, b: RuntimeContainer): number {
  return b.restartCount - a.restartCount || b.createdMs - a.createdMs;
}

/** What the pod's status tells of containers that once ran, for when the runtime has no record of them any more. */
export function rememberedContainers(pod: Pod): RuntimeContainer[] {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? []), ...(pod.status?.ephemeralContainerStatuses ?? [])];
  return statuses.flatMap((status) => {
    if (!status.containerID) return [];
    const terminated = status.state?.terminated ?? (status.state?.running ? undefined : status.lastState?.terminated);
    const startedAt = status.state?.running?.startedAt ?? terminated?.startedAt;
    const remembered: RuntimeContainer = {
      id: bareContainerId(status.containerID),
      sandboxId: '',
      name: status.name,
      restartCount: status.restartCount,
      state: terminated ? 'exited' : 'running',
      createdMs: 0,
      startedMs: startedAt ? Date.parse(startedAt) : 0,
      finishedMs: terminated?.finishedAt ? Date.parse(terminated.finishedAt) : 0,
      exitCode: terminated?.exitCode ?? 0,
      reason: terminated?.reason ?? '',
      message: terminated?.message ?? '',
      image: status.image,
      imageId: status.imageID,
      hash: '',
      logPath: '',
      terminationLog: '',
    };
    return [remembered];
  });
}

/**
 * Adds containers that were there before but of which the runtime has no record now (its state was lost with the node),
 * as exited instances, so that restart policies and counts go on from there. Once lost, an instance is kept as the one
 * before the newest.
 */
export function withLostContainers(before: readonly RuntimeContainer[], now: PodRuntime, nowMs: number): PodRuntime {
  if (!before.length) return now;
  const lost = new Map<string, RuntimeContainer>();
  for (const container of before) {
    const known = now.containers.filter(({ name }) => name === container.name).length;
    if (lost.has(container.name) || known > (container.lost ? 1 : 0)) continue;
    const ended = container.state === 'exited';
    const unknown = { state: 'exited', exitCode: 137, reason: 'ContainerStatusUnknown', message: 'The container could not be located when the pod was terminated', finishedMs: nowMs } as const;
    lost.set(container.name, { ...container, ...(ended ? {} : unknown), sandboxId: '', lost: true });
  }
  return lost.size ? { ...now, containers: [...now.containers, ...lost.values()].sort(newestFirst) } : now;
}

/** Reason of the end of instances that went with all others of their pod, so that it starts anew. */
export const restartingAll = { reason: 'RestartingAllContainers', message: 'The container is removed because RestartAllContainers in place' } as const;

/** An instance that was ended so, and is to be followed by another whatever the policy. */
export function wasReset({ reason, lost }: RuntimeContainer): boolean {
  return lost === true && reason === restartingAll.reason;
}

/** The pod as it begins anew: of each of its containers nothing is left but the memory of the newest instance. */
export function afterReset(runtime: PodRuntime, nowMs: number): PodRuntime {
  const newest = new Map<string, RuntimeContainer>();
  for (const container of runtime.containers) if (!newest.has(container.name)) newest.set(container.name, container);
  const containers = [...newest.values()].map((container): RuntimeContainer => ({ ...container, ...restartingAll, state: 'exited', exitCode: 137, finishedMs: nowMs, sandboxId: '', logPath: '', terminationLog: '', lost: true }));
  return { ...runtime, containers };
}
