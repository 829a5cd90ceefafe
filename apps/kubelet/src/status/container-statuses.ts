import type { Container, ContainerState, ContainerStateTerminated, ContainerStatus, Pod, ResourceRequirements, ResourceStatus, VolumeMount, VolumeMountStatus } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { type PodRuntime, type RuntimeContainer, latestContainer, previousContainer, restartingAll, wasReset } from '../runtime/pod-runtime.ts';
import { ephemeralContainers, initContainers, mainContainers, shouldRestart, shouldRetryInit } from '../pods/pod-spec.ts';

/** What the status of containers depends on besides the runtime's records. */
export interface StatusContext {
  /** `containerd` in `containerd://id`. */
  readonly runtimeName: string;
  /** Why a container is not running although it should: CrashLoopBackOff, ErrImagePull …; cleared when it starts. */
  waiting(container: string): { reason: string; message?: string } | undefined;
  /** The runtime can make mounts read-only with all that is mounted below. */
  recursiveReadOnly?(): boolean;
  /** The startup probe succeeded or there is none. */
  started(containerId: string): boolean;
  /** What is in force for an instance, where that is not what the pod says. */
  resources?(containerId: string): ResourceRequirements | undefined;
  /** How a container's devices are; empty when it has none. */
  devices?(container: Container): ResourceStatus[];
  /** The readiness probe's last word; true when there is none. */
  ready(containerId: string): boolean;
}

function containerId(context: StatusContext, instance: RuntimeContainer): string {
  return `${context.runtimeName}://${instance.id}`;
}

function terminatedReason(instance: RuntimeContainer): string {
  return instance.reason || (instance.exitCode === 0 ? 'Completed' : 'Error');
}

function terminatedState(context: StatusContext, instance: RuntimeContainer): ContainerStateTerminated {
  const state: ContainerStateTerminated = { exitCode: instance.exitCode, reason: terminatedReason(instance) };
  if (instance.message) state.message = instance.message;
  if (instance.startedMs > 0) state.startedAt = rfc3339(instance.startedMs);
  if (instance.finishedMs > 0) state.finishedAt = rfc3339(instance.finishedMs);
  state.containerID = containerId(context, instance);
  return state;
}

function mountStatus(mount: VolumeMount, isSupported: boolean): VolumeMountStatus {
  const { name, mountPath, readOnly, recursiveReadOnly: asked } = mount;
  if (!readOnly) return { name, mountPath };
  // What cannot be had has kept the container from starting.
  const isOn = isSupported && asked !== undefined && asked !== 'Disabled';
  return { name, mountPath, readOnly, recursiveReadOnly: isOn ? 'Enabled' : 'Disabled' };
}

/** Every status ends with the container's mounts. */
function withMounts(context: StatusContext, status: ContainerStatus, { volumeMounts }: Container): ContainerStatus {
  if (volumeMounts?.length) status.volumeMounts = volumeMounts.map((mount) => mountStatus(mount, context.recursiveReadOnly?.() ?? false));
  return status;
}

/** As upstream's kubelet, of main containers alone. */
function withDevices(context: StatusContext, status: ContainerStatus, container: Container): ContainerStatus {
  const devices = context.devices?.(container) ?? [];
  if (devices.length) status.allocatedResourcesStatus = devices;
  return status;
}

function addResources(status: ContainerStatus, container: Container, inForce: ResourceRequirements = container.resources ?? {}): void {
  const { requests, limits } = inForce;
  const allocated = container.resources?.requests;
  if (allocated) status.allocatedResources = allocated;
  // Even of nothing: that resources are told shows that this node can resize.
  status.resources = {};
  if (limits) status.resources.limits = limits;
  if (requests) status.resources.requests = requests;
}

/** State and last state from the newest two instances and the reason to wait, if any. */
function states(context: StatusContext, newest: RuntimeContainer, { previous, returns }: { previous: RuntimeContainer | undefined; returns: boolean }): { state: ContainerState; lastState: ContainerState } {
  const before = previous?.state === 'exited' ? { terminated: terminatedState(context, previous) } : {};
  if (newest.state === 'running') return { state: { running: newest.startedMs > 0 ? { startedAt: rfc3339(newest.startedMs) } : {} }, lastState: before };
  const waiting = context.waiting(newest.name);
  if (newest.state !== 'exited') return { state: { waiting: waiting ?? { reason: 'ContainerCreating' } }, lastState: before };
  if (waiting && returns) return { state: { waiting }, lastState: { terminated: terminatedState(context, newest) } };
  return { state: { terminated: terminatedState(context, newest) }, lastState: before };
}

interface StatusInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly runtime: PodRuntime;
  readonly context: StatusContext;
  /** Reason while nothing is known of the container. */
  readonly waitingReason: string;
  readonly kind: 'init' | 'sidecar' | 'main' | 'ephemeral';
}

function statusOf(input: StatusInput): ContainerStatus {
  const { container, runtime, context, waitingReason, kind } = input;
  const newest = latestContainer(runtime, container.name);
  const name = container.name;
  if (!newest) {
    const waiting = context.waiting(name) ?? { reason: waitingReason };
    const status: ContainerStatus = { name, state: { waiting }, lastState: {}, ready: false, restartCount: 0, image: container.image ?? '', imageID: '' };
    if (kind !== 'ephemeral') status.started = false;
    return withMounts(context, status, container);
  }
  if (wasReset(newest) && kind !== 'ephemeral') {
    const lastState = { terminated: { exitCode: newest.exitCode, ...restartingAll } };
    return withMounts(context, { name, state: { waiting: { ...(context.waiting(name) ?? restartingAll) } }, lastState, ready: false, restartCount: newest.restartCount + 1, image: container.image ?? '', imageID: '', started: false }, container);
  }
  const running = newest.state === 'running';
  const isStarted = running && context.started(newest.id);
  const succeeded = newest.state === 'exited' && newest.exitCode === 0;
  const ready = kind === 'init' ? succeeded : isStarted && context.ready(newest.id);
  const { state, lastState } = states(context, newest, { previous: previousContainer(runtime, name), returns: returnsAfter(input, newest.exitCode) });
  const status: ContainerStatus = {
    name,
    state,
    lastState,
    ready: kind === 'ephemeral' ? false : ready,
    restartCount: newest.restartCount,
    image: newest.image,
    imageID: newest.imageId,
    containerID: containerId(context, newest),
  };
  if (kind !== 'ephemeral') status.started = kind === 'init' ? running : isStarted;
  if (running) addResources(status, container, context.resources?.(newest.id));
  withMounts(context, status, container);
  if (newest.user) status.user = { linux: newest.user };
  return status;
}

/** Whether a container that ended so is started again. */
function returnsAfter({ pod, container, kind }: StatusInput, exitCode: number): boolean {
  if (kind === 'ephemeral') return false;
  return kind === 'init' ? exitCode !== 0 && shouldRetryInit(pod, container, exitCode) : shouldRestart(pod, container, exitCode);
}

export interface ContainerStatuses {
  readonly init: ContainerStatus[];
  readonly main: ContainerStatus[];
  readonly ephemeral: ContainerStatus[];
}

/** The statuses of all containers of a pod, in the order of the spec. */
export function containerStatuses(pod: Pod, runtime: PodRuntime, context: StatusContext): ContainerStatuses {
  const hasInit = initContainers(pod).length > 0;
  const of = (kind: StatusInput['kind'], container: Container, waitingReason: string): ContainerStatus => statusOf({ pod, container, runtime, context, waitingReason, kind });
  return {
    init: initContainers(pod).map((c) => of(c.restartPolicy === 'Always' ? 'sidecar' : 'init', c, 'PodInitializing')),
    main: mainContainers(pod).map((c) => withDevices(context, of('main', c, hasInit ? 'PodInitializing' : 'ContainerCreating'), c)),
    ephemeral: ephemeralContainers(pod).map((c) => of('ephemeral', c, 'ContainerCreating')),
  };
}
