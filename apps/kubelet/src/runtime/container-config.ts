import type { Container, Pod } from '@orrery/api/types';
import { parseQuantity, quantityMilliValue, quantityValue } from '@orrery/apimachinery';
import { type ContainerConfig, type Device, type Image, type LinuxContainerResources, type Mount, Signal, type UserNamespace } from '@orrery/proto/cri';
import { expand } from '../env/expansion.ts';
import { environmentList } from '../env/service-env.ts';
import { graceSeconds, nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { qosClass } from '../status/qos-class.ts';
import {
  containerHash,
  containerHashAnnotation,
  containerNameLabel,
  deletionGraceAnnotation,
  gracePeriodAnnotation,
  podNameLabel,
  podNamespaceLabel,
  podUidLabel,
  restartCountAnnotation,
  terminationPathAnnotation,
  terminationPolicyAnnotation,
} from './labels.ts';
import { containerSecurity } from './security.ts';

const milli = (text: string | undefined): number => (text === undefined ? 0 : quantityMilliValue(parseQuantity(text)));
const whole = (text: string | undefined): number => (text === undefined ? 0 : quantityValue(parseQuantity(text)));

/** Which containers the kernel ends first when memory runs out; upstream's numbers. */
export function oomScoreAdjust(pod: Pod, container: Container, memoryCapacity: number): number {
  if (pod.spec?.priorityClassName === 'system-node-critical') return -997;
  switch (qosClass(pod)) {
    case 'Guaranteed':
      return -997;
    case 'BestEffort':
      return 1000;
    default: {
      const request = whole(container.resources?.requests?.['memory']);
      const score = 1000 - Math.floor((1000 * request) / Math.max(1, memoryCapacity));
      return Math.min(999, Math.max(3, score));
    }
  }
}

export function linuxResources(pod: Pod, container: Container, memoryCapacity: number): LinuxContainerResources {
  const { requests, limits } = container.resources ?? {};
  // What a container does not limit itself the pod limits as a whole.
  const ofPod = pod.spec?.resources?.limits;
  const cpu = milli(requests?.['cpu'] ?? limits?.['cpu']);
  const cpuLimit = milli(limits?.['cpu'] ?? ofPod?.['cpu']);
  const memoryLimit = whole(limits?.['memory'] ?? ofPod?.['memory']);
  const resources: LinuxContainerResources = {
    cpuShares: BigInt(Math.max(2, Math.floor((cpu * 1024) / 1000))),
    oomScoreAdj: BigInt(oomScoreAdjust(pod, container, memoryCapacity)),
  };
  if (cpuLimit) {
    resources.cpuPeriod = 100_000n;
    resources.cpuQuota = BigInt(Math.max(1000, cpuLimit * 100));
  }
  if (memoryLimit) resources.memoryLimitInBytes = BigInt(memoryLimit);
  return resources;
}

export interface ContainerInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly restartCount: number;
  /** Reference the runtime knows the image by. */
  readonly imageRef: string;
  readonly image: Image | undefined;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: Mount[];
  readonly devices: Device[];
  readonly memoryCapacity: number;
  readonly usernsOptions?: UserNamespace | undefined;
  readonly targetId?: string | undefined;
}

function annotationsOf({ pod, container, restartCount }: ContainerInput): Record<string, string> {
  const deletionGrace = pod.metadata?.deletionGracePeriodSeconds;
  const annotations: Record<string, string> = {
    [containerHashAnnotation]: containerHash(container),
    [restartCountAnnotation]: String(restartCount),
    [terminationPathAnnotation]: container.terminationMessagePath ?? '/dev/termination-log',
    [terminationPolicyAnnotation]: container.terminationMessagePolicy ?? 'File',
    [gracePeriodAnnotation]: String(graceSeconds(pod)),
  };
  if (deletionGrace !== undefined) annotations[deletionGraceAnnotation] = String(deletionGrace);
  return annotations;
}

/** Directory of a container's logs within the pod's. */
export const containerLogDirectory = (container: string): string => container;

/** Path of a container's log, relative to the pod's log directory. */
export function containerLogPath(container: string, restartCount: number): string {
  return `${container}/${restartCount}.log`;
}

/** What the runtime makes a container from. */
export function containerConfig(input: ContainerInput): ContainerConfig {
  const { pod, container, restartCount, environment, mounts } = input;
  const lookup = (name: string): string | undefined => environment.get(name);
  const expanded = (words: readonly string[] | undefined): string[] => (words?.length ? words.map((word) => expand(word, lookup)) : []);
  // The files of volumes belong to the same users inside as outside.
  const { uids = [], gids = [] } = input.usernsOptions ?? {};
  const stopSignal = container.lifecycle?.stopSignal as keyof typeof Signal | undefined;
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: input.imageRef, userSpecifiedImage: container.image ?? '' },
    command: expanded(container.command),
    args: expanded(container.args),
    workingDir: container.workingDir ?? '',
    envs: environmentList(environment),
    mounts: uids.length ? mounts.map((mount) => ({ ...mount, uidMappings: uids, gidMappings: gids })) : mounts,
    devices: input.devices,
    labels: { [podNameLabel]: nameOf(pod), [podNamespaceLabel]: namespaceOf(pod), [podUidLabel]: uidOf(pod), [containerNameLabel]: container.name },
    annotations: annotationsOf(input),
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: { resources: linuxResources(pod, container, input.memoryCapacity), securityContext: containerSecurity(pod, container, input) },
    ...(stopSignal && Signal[stopSignal] !== undefined ? { stopSignal: Signal[stopSignal] } : {}),
  };
}
