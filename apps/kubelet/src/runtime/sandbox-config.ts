import type { Container, Pod } from '@orrery/api/types';
import { type LinuxSandboxSecurityContext, type NamespaceOption, type PodSandboxConfig, type PortMapping, NamespaceMode, Protocol, type UserNamespace } from '@orrery/proto/cri';
import { isHostNetwork, mainContainers, nameOf, namespaceOf, sidecars, uidOf } from '../pods/pod-spec.ts';
import { type DnsSettings, nodename, podDns, podHostname } from './dns.ts';
import { podLabels } from './labels.ts';
import { groupsOf, groupsPolicy, runtimeDefault, seccompProfile } from './security.ts';

export interface SandboxSettings extends DnsSettings {
  readonly hostname: string;
  readonly podLogsDir: string;
}

const protocols: Readonly<Record<string, Protocol>> = { TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP };

/** Where the runtime writes the logs of a pod's containers. */
export function podLogDirectory(pod: Pod, podLogsDir: string): string {
  return `${podLogsDir}/${namespaceOf(pod)}_${nameOf(pod)}_${uidOf(pod)}`;
}

function namespaceOptions(pod: Pod, usernsOptions: UserNamespace | undefined): NamespaceOption {
  const { hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  const options: NamespaceOption = {
    network: isHostNetwork(pod) ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: hostPID ? NamespaceMode.NODE : shareProcessNamespace ? NamespaceMode.POD : NamespaceMode.CONTAINER,
    ipc: hostIPC ? NamespaceMode.NODE : NamespaceMode.POD,
  };
  if (usernsOptions) options.usernsOptions = usernsOptions;
  return options;
}

const isPrivileged = ({ securityContext }: Container): boolean => securityContext?.privileged ?? false;

function linuxConfig(pod: Pod, usernsOptions: UserNamespace | undefined): PodSandboxConfig['linux'] {
  const { securityContext = {} } = pod.spec ?? {};
  const { runAsUser, runAsGroup, seLinuxOptions } = securityContext;
  const context: LinuxSandboxSecurityContext = {
    namespaceOptions: namespaceOptions(pod, usernsOptions),
    privileged: mainContainers(pod).some(isPrivileged) || sidecars(pod).some(isPrivileged),
    seccomp: seccompProfile(securityContext.seccompProfile) ?? runtimeDefault,
    supplementalGroups: groupsOf(securityContext),
    supplementalGroupsPolicy: groupsPolicy(securityContext),
  };
  if (runAsUser !== undefined) context.runAsUser = { value: BigInt(runAsUser) };
  if (runAsGroup !== undefined) context.runAsGroup = { value: BigInt(runAsGroup) };
  if (seLinuxOptions) context.selinuxOptions = seLinuxOptions;
  const sysctls: Record<string, string> = {};
  for (const { name, value } of securityContext.sysctls ?? []) sysctls[name] = value;
  return { cgroupParent: '', sysctls, securityContext: context };
}

/** The ports that the node has for the pod. */
function portMappings(pod: Pod): PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const { ports } of mainContainers(pod)) {
    if (ports) for (const { protocol = 'TCP', containerPort, hostPort, hostIP } of ports) if (hostPort) mappings.push({ protocol: protocols[protocol] ?? Protocol.TCP, containerPort, hostPort, hostIp: hostIP ?? '' });
  }
  return mappings;
}

/** What the runtime makes a pod's sandbox from. */
export function sandboxConfig(pod: Pod, settings: SandboxSettings, { attempt, usernsOptions }: { attempt: number; usernsOptions?: UserNamespace | undefined }): PodSandboxConfig {
  const { metadata } = pod;
  const hostNetwork = isHostNetwork(pod);
  return {
    metadata: { name: nameOf(pod), namespace: namespaceOf(pod), uid: uidOf(pod), attempt },
    hostname: hostNetwork ? '' : nodename(pod, podHostname(pod, settings)),
    logDirectory: podLogDirectory(pod, settings.podLogsDir),
    dnsConfig: podDns(pod, settings),
    portMappings: hostNetwork ? [] : portMappings(pod),
    labels: { ...metadata?.labels, ...podLabels(pod) },
    annotations: metadata?.annotations ?? {},
    linux: linuxConfig(pod, usernsOptions),
  };
}
