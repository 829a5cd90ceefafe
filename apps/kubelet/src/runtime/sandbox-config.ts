import type { Pod } from '@orrery/api/types';
import { type PodSandboxConfig, NamespaceMode, Protocol, SecurityProfile_ProfileType, type UserNamespace } from '@orrery/proto/cri';
import { isHostNetwork, mainContainers, nameOf, namespaceOf, sidecars, uidOf } from '../pods/pod-spec.ts';
import { type DnsSettings, nodename, podDns, podHostname } from './dns.ts';
import { podLabels } from './labels.ts';
import { seccompProfile } from './security.ts';

export interface SandboxSettings extends DnsSettings {
  readonly hostname: string;
  readonly podLogsDir: string;
  /** What is said of the pod's users. */
  readonly usernsOptions?: UserNamespace | undefined;
}

const protocols: Readonly<Record<string, Protocol>> = { TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP };

/** Where the runtime writes the logs of a pod's containers. */
export function podLogDirectory(pod: Pod, podLogsDir: string): string {
  return `${podLogsDir}/${namespaceOf(pod)}_${nameOf(pod)}_${uidOf(pod)}`;
}

function namespaceOptions(pod: Pod): { network: NamespaceMode; pid: NamespaceMode; ipc: NamespaceMode } {
  const { hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  return {
    network: isHostNetwork(pod) ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: hostPID ? NamespaceMode.NODE : shareProcessNamespace ? NamespaceMode.POD : NamespaceMode.CONTAINER,
    ipc: hostIPC ? NamespaceMode.NODE : NamespaceMode.POD,
  };
}

function linuxConfig(pod: Pod, usernsOptions: UserNamespace | undefined): PodSandboxConfig['linux'] {
  const { securityContext = {} } = pod.spec ?? {};
  const privileged = [...sidecars(pod), ...mainContainers(pod)].some((container) => container.securityContext?.privileged);
  const { runAsUser, runAsGroup, supplementalGroups = [], fsGroup, seLinuxOptions } = securityContext;
  return {
    cgroupParent: '',
    sysctls: Object.fromEntries((securityContext.sysctls ?? []).map(({ name, value }) => [name, value])),
    securityContext: {
      namespaceOptions: { ...namespaceOptions(pod), ...(usernsOptions ? { usernsOptions } : {}) },
      privileged,
      seccomp: seccompProfile(securityContext.seccompProfile) ?? { profileType: SecurityProfile_ProfileType.RuntimeDefault },
      supplementalGroups: [...(fsGroup === undefined ? [] : [fsGroup]), ...supplementalGroups].map(BigInt),
      ...(runAsUser === undefined ? {} : { runAsUser: { value: BigInt(runAsUser) } }),
      ...(runAsGroup === undefined ? {} : { runAsGroup: { value: BigInt(runAsGroup) } }),
      ...(seLinuxOptions ? { selinuxOptions: seLinuxOptions } : {}),
    },
  };
}

/** What the runtime makes a pod's sandbox from. */
export function sandboxConfig(pod: Pod, settings: SandboxSettings, attempt: number): PodSandboxConfig {
  const { metadata } = pod;
  const ports = mainContainers(pod).flatMap((container) => container.ports ?? []);
  const hostNetwork = isHostNetwork(pod);
  return {
    metadata: { name: nameOf(pod), namespace: namespaceOf(pod), uid: uidOf(pod), attempt },
    hostname: hostNetwork ? '' : nodename(pod, podHostname(pod, settings)),
    logDirectory: podLogDirectory(pod, settings.podLogsDir),
    dnsConfig: podDns(pod, settings),
    portMappings: ports
      .filter(({ hostPort }) => hostPort && !hostNetwork)
      .map(({ protocol = 'TCP', containerPort, hostPort, hostIP }) => ({ protocol: protocols[protocol] ?? Protocol.TCP, containerPort, hostPort, hostIp: hostIP ?? '' })),
    labels: { ...metadata?.labels, ...podLabels(pod) },
    annotations: { ...metadata?.annotations },
    linux: linuxConfig(pod, settings.usernsOptions),
  };
}
