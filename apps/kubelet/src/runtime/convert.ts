import { type Container as CriContainer, type ContainerStatus, type LinuxContainerUser, type PodSandbox, type PodSandboxStatus, ContainerState, NamespaceMode, PodSandboxState } from '@orrery/proto/cri';
import { containerHashAnnotation, containerNameLabel, restartCountAnnotation, terminationPathAnnotation } from './labels.ts';
import type { RuntimeContainer, RuntimeSandbox } from './pod-runtime.ts';

const ms = (ns: bigint | undefined): number => (ns === undefined || ns <= 0n ? 0 : Number(ns / 1_000_000n));

function stateOf(state: ContainerStatus['state']): RuntimeContainer['state'] {
  switch (state ?? ContainerState.CONTAINER_CREATED) {
    case ContainerState.CONTAINER_CREATED:
      return 'created';
    case ContainerState.CONTAINER_RUNNING:
      return 'running';
    case ContainerState.CONTAINER_EXITED:
      return 'exited';
    default:
      return 'unknown';
  }
}

function userOf({ uid = 0n, gid = 0n, supplementalGroups = [] }: LinuxContainerUser): NonNullable<RuntimeContainer['user']> {
  return { uid: Number(uid), gid: Number(gid), supplementalGroups: supplementalGroups.map(Number) };
}

/** A CRI container status in the kubelet's own terms. */
export function toRuntimeContainer(status: ContainerStatus, sandboxId: string): RuntimeContainer {
  const annotations = status.annotations ?? {};
  const terminationPath = annotations[terminationPathAnnotation];
  const mount = terminationPath ? status.mounts?.find(({ containerPath }) => containerPath === terminationPath) : undefined;
  return {
    id: status.id ?? '',
    sandboxId,
    name: status.metadata?.name ?? status.labels?.[containerNameLabel] ?? '',
    restartCount: Number(annotations[restartCountAnnotation] ?? status.metadata?.attempt ?? 0),
    state: stateOf(status.state),
    createdMs: ms(status.createdAt),
    startedMs: ms(status.startedAt),
    finishedMs: ms(status.finishedAt),
    exitCode: status.exitCode ?? 0,
    reason: status.reason ?? '',
    message: status.message ?? '',
    image: status.image?.userSpecifiedImage || status.image?.image || '',
    imageId: status.imageRef || status.imageId || '',
    hash: annotations[containerHashAnnotation] ?? '',
    logPath: status.logPath ?? '',
    terminationLog: mount?.hostPath ?? '',
    ...(status.user?.linux ? { user: userOf(status.user.linux) } : {}),
  };
}

export function toRuntimeSandbox(status: PodSandboxStatus): RuntimeSandbox {
  const { network, linux, metadata } = status;
  const ips: string[] = network?.ip ? [network.ip] : [];
  if (network?.additionalIps) for (const { ip } of network.additionalIps) if (ip) ips.push(ip);
  return {
    id: status.id ?? '',
    attempt: metadata?.attempt ?? 0,
    ready: (status.state ?? PodSandboxState.SANDBOX_READY) === PodSandboxState.SANDBOX_READY,
    hostNetwork: (linux?.namespaces?.options?.network ?? NamespaceMode.POD) === NamespaceMode.NODE,
    ips,
    createdMs: ms(status.createdAt),
  };
}

export type { CriContainer, PodSandbox };
