import type { Container, EphemeralContainer, Pod } from '@orrery/api/types';

export const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
export const nameOf = (pod: Pod): string => pod.metadata?.name ?? '';
export const namespaceOf = (pod: Pod): string => pod.metadata?.namespace ?? '';
/** `name_namespace(uid)`, as the kubelet's messages name pods. */
export const describePod = (pod: Pod): string => `${nameOf(pod)}_${namespaceOf(pod)}(${uidOf(pod)})`;

/** An init container that goes on running beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** Shared by all pods that have none of a kind. */
const none: readonly never[] = [];

export function initContainers(pod: Pod): readonly Container[] {
  return pod.spec?.initContainers ?? none;
}

export function sidecars(pod: Pod): readonly Container[] {
  const init = initContainers(pod);
  return init.length ? init.filter(isSidecar) : init;
}

export function mainContainers(pod: Pod): readonly Container[] {
  return pod.spec?.containers ?? none;
}

export function ephemeralContainers(pod: Pod): readonly EphemeralContainer[] {
  return pod.spec?.ephemeralContainers ?? none;
}

/** Init containers, main ones, ephemeral ones. Most pods have but main ones, and then no list is made. */
export function everyContainer(pod: Pod): readonly Container[] {
  const { initContainers: init = none, containers = none, ephemeralContainers: ephemeral = none } = pod.spec ?? {};
  return init.length || ephemeral.length ? [...init, ...containers, ...ephemeral] : containers;
}

export interface ContainerPlace {
  readonly kind: 'init' | 'main' | 'ephemeral';
  readonly container: Container;
  /** `spec.containers{name}` */
  readonly fieldPath: string;
}

const places = { init: 'spec.initContainers', main: 'spec.containers', ephemeral: 'spec.ephemeralContainers' } as const;

const placeOf = (kind: ContainerPlace['kind'], container: Container): ContainerPlace => ({ kind, container, fieldPath: `${places[kind]}{${container.name}}` });

/** Every container of a pod with where it stands. */
export function allContainers(pod: Pod): ContainerPlace[] {
  const found: ContainerPlace[] = [];
  for (const container of initContainers(pod)) found.push(placeOf('init', container));
  for (const container of mainContainers(pod)) found.push(placeOf('main', container));
  for (const container of ephemeralContainers(pod)) found.push(placeOf('ephemeral', container));
  return found;
}

/** The container of that name and where it stands. */
export function placeOfContainer(pod: Pod, name: string): ContainerPlace | undefined {
  const called = (container: { readonly name: string }): boolean => container.name === name;
  const main = mainContainers(pod).find(called);
  if (main) return placeOf('main', main);
  const init = initContainers(pod).find(called);
  if (init) return placeOf('init', init);
  const ephemeral = ephemeralContainers(pod).find(called);
  return ephemeral && placeOf('ephemeral', ephemeral);
}

/** What the first of a container's own rules that is about this exit code says. */
export function ruledAction(container: Container, exitCode: number): string | undefined {
  return container.restartPolicyRules?.find(({ exitCodes }) => {
    const listed = exitCodes?.values?.includes(exitCode) ?? false;
    return exitCodes?.operator === 'NotIn' ? !listed : listed;
  })?.action;
}

/** Whether a container that ended so is to be started again, by its own rules or the pod's policy. */
export function shouldRestart(pod: Pod, container: Container, exitCode: number): boolean {
  const action = ruledAction(container, exitCode);
  if (action !== undefined) return action === 'Restart' || action === restartAllContainers;
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** Like `shouldRestart`, for an init container: success is final. */
export function shouldRetryInit(pod: Pod, container: Container, exitCode: number): boolean {
  if (container.restartPolicyRules?.length || container.restartPolicy) return shouldRestart(pod, container, exitCode);
  return pod.spec?.restartPolicy !== 'Never';
}

/** The action of a rule that starts the whole pod anew, in its sandbox. */
export const restartAllContainers = 'RestartAllContainers';

/** Priorities from here on are the system's own. */
export const systemCritical = 2_000_000_000;

/** A pod that the node runs by itself, not because the API server says so. */
export function isStatic(pod: Pod): boolean {
  const source = pod.metadata?.annotations?.['kubernetes.io/config.source'];
  return source !== undefined && source !== 'api' && pod.metadata?.annotations?.['kubernetes.io/config.mirror'] === undefined;
}

/** Static pods, their mirrors, and pods of the system's priority classes: never evicted. */
export function isCritical(pod: Pod): boolean {
  return isStatic(pod) || pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined || (pod.spec?.priority ?? 0) >= systemCritical;
}

export const isHostNetwork = (pod: Pod): boolean => pod.spec?.hostNetwork === true;

export function isTerminal(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Seconds a pod's containers get to end: the deletion's own, or the spec's. */
export function graceSeconds(pod: Pod): number {
  return pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
}
