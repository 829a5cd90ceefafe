import type { Container, ContainerState, ContainerStateTerminated, ContainerStatus, Pod, ResourceRequirements } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { type PodRuntime, type RuntimeContainer, latestContainer, previousContainer, restartingAll, wasReset } from '../runtime/pod-runtime.ts';
import { ephemeralContainers, initContainers, mainContainers, shouldRestart, shouldRetryInit } from '../pods/pod-spec.ts';

/** What the status of containers depends on besides the runtime's records. */
export interface StatusContext {
  /** `containerd` in `containerd://id`. */
  readonly runtimeName: string;
  /** Why a container is not running although it should: CrashLoopBackOff, ErrImagePull …; cleared when it starts. */
  waiting(container: string): { reason: string; message?: string } | undefined;
  /** The startup probe succeeded or there is none. */
  started(containerId: string): boolean;
  /** What is in force for an instance, where that is not what the pod says. */
  resources?(containerId: string): ResourceRequirements | undefined;
  /** The readiness probe's last word; true when there is none. */
  ready(containerId: string): boolean;
}

const timeOf = (ms: number): string | undefined => (ms > 0 ? rfc3339(ms) : undefined);

function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== '')) as T;
}

function containerId(context: StatusContext, instance: RuntimeContainer): string {
  return `${context.runtimeName}://${instance.id}`;
}

function terminatedReason(instance: RuntimeContainer): string {
  return instance.reason || (instance.exitCode === 0 ? 'Completed' : 'Error');
}

function terminatedState(context: StatusContext, instance: RuntimeContainer): ContainerStateTerminated {
  return {
    exitCode: instance.exitCode,
    reason: terminatedReason(instance),
    ...defined({
      message: instance.message,
      startedAt: timeOf(instance.startedMs),
      finishedAt: timeOf(instance.finishedMs),
      containerID: containerId(context, instance),
    }),
  };
}

function mountStatuses(container: Container): Pick<ContainerStatus, 'volumeMounts'> {
  if (!container.volumeMounts?.length) return {};
  return {
    volumeMounts: container.volumeMounts.map(({ name, mountPath, readOnly }) => ({ name, mountPath, ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}) })),
  };
}

function resourceStatus(container: Container, inForce: ResourceRequirements = container.resources ?? {}): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  const { requests, limits } = inForce;
  const allocated = container.resources?.requests;
  // Even of nothing: that resources are told shows that this node can resize.
  return { ...(allocated ? { allocatedResources: allocated } : {}), resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) } };
}

/** State and last state from the newest two instances and the reason to wait, if any. */
function states(context: StatusContext, newest: RuntimeContainer, { previous, returns }: { previous: RuntimeContainer | undefined; returns: boolean }): { state: ContainerState; lastState: ContainerState } {
  const before = previous?.state === 'exited' ? { terminated: terminatedState(context, previous) } : {};
  if (newest.state === 'running') return { state: { running: defined({ startedAt: timeOf(newest.startedMs) }) }, lastState: before };
  const waiting = context.waiting(newest.name);
  if (newest.state !== 'exited') return { state: { waiting: waiting ?? { reason: 'ContainerCreating' } }, lastState: before };
  if (waiting && returns) return { state: { waiting }, lastState: { terminated: terminatedState(context, newest) } };
  return { state: { terminated: terminatedState(context, newest) }, lastState: before };
}

interface StatusInput {
  readonly container: Container;
  readonly runtime: PodRuntime;
  readonly context: StatusContext;
  /** Reason while nothing is known of the container. */
  readonly waitingReason: string;
  readonly kind: 'init' | 'sidecar' | 'main' | 'ephemeral';
  /** Whether a container that ended so is started again. */
  returns(exitCode: number): boolean;
}

function statusOf(input: StatusInput): ContainerStatus {
  const { container, runtime, context, waitingReason, kind } = input;
  const newest = latestContainer(runtime, container.name);
  const name = container.name;
  const started = (value: boolean): Pick<ContainerStatus, 'started'> => (kind === 'ephemeral' ? {} : { started: value });
  if (!newest) {
    const waiting = context.waiting(name) ?? { reason: waitingReason };
    return { name, state: { waiting }, lastState: {}, ready: false, restartCount: 0, image: container.image ?? '', imageID: '', ...started(false), ...mountStatuses(container) };
  }
  if (wasReset(newest) && kind !== 'ephemeral') {
    const lastState = { terminated: { exitCode: newest.exitCode, ...restartingAll } };
    return { name, state: { waiting: { ...(context.waiting(name) ?? restartingAll) } }, lastState, ready: false, restartCount: newest.restartCount + 1, image: container.image ?? '', imageID: '', ...started(false), ...mountStatuses(container) };
  }
  const running = newest.state === 'running';
  const isStarted = running && context.started(newest.id);
  const succeeded = newest.state === 'exited' && newest.exitCode === 0;
  const ready = kind === 'init' ? succeeded : isStarted && context.ready(newest.id);
  return {
    name,
    ...states(context, newest, { previous: previousContainer(runtime, name), returns: input.returns(newest.exitCode) }),
    ready: kind === 'ephemeral' ? false : ready,
    restartCount: newest.restartCount,
    image: newest.image,
    imageID: newest.imageId,
    containerID: containerId(context, newest),
    ...started(kind === 'init' ? running : isStarted),
    ...(running ? resourceStatus(container, context.resources?.(newest.id)) : {}),
    ...mountStatuses(container),
    ...(newest.user ? { user: { linux: newest.user } } : {}),
  };
}

function returnsAfter(pod: Pod, { container, kind, exitCode }: { container: Container; kind: StatusInput['kind']; exitCode: number }): boolean {
  if (kind === 'ephemeral') return false;
  return kind === 'init' ? exitCode !== 0 && shouldRetryInit(pod, container, exitCode) : shouldRestart(pod, container, exitCode);
}

export interface ContainerStatuses {
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly ephemeral: readonly ContainerStatus[];
}

/** The statuses of all containers of a pod, in the order of the spec. */
export function containerStatuses(pod: Pod, runtime: PodRuntime, context: StatusContext): ContainerStatuses {
  const hasInit = initContainers(pod).length > 0;
  const of = (kind: StatusInput['kind'], container: Container, waitingReason: string): ContainerStatus =>
    statusOf({ container, runtime, context, waitingReason, kind, returns: (exitCode) => returnsAfter(pod, { container, kind, exitCode }) });
  return {
    init: initContainers(pod).map((c) => of(c.restartPolicy === 'Always' ? 'sidecar' : 'init', c, 'PodInitializing')),
    main: mainContainers(pod).map((c) => of('main', c, hasInit ? 'PodInitializing' : 'ContainerCreating')),
    ephemeral: ephemeralContainers(pod).map((c) => of('ephemeral', c, 'ContainerCreating')),
  };
}
