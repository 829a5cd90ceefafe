import type { Container, Pod, PodSecurityContext, SeccompProfile } from '@orrery/api/types';
import { type Image, type LinuxContainerSecurityContext, type SecurityProfile, NamespaceMode, SecurityProfile_ProfileType, type UserNamespace, SupplementalGroupsPolicy } from '@orrery/proto/cri';
import { ConfigFault } from '../env/environment.ts';
import { describePod, isHostNetwork } from '../pods/pod-spec.ts';

export const runtimeDefault: SecurityProfile = { profileType: SecurityProfile_ProfileType.RuntimeDefault };

/** The groups of a pod's processes besides their own. */
export function groupsOf({ fsGroup, supplementalGroups }: PodSecurityContext): bigint[] {
  const groups = supplementalGroups?.map(BigInt) ?? [];
  return fsGroup === undefined ? groups : [BigInt(fsGroup), ...groups];
}

/** Whether the image's groups of the user are his as well. */
export const groupsPolicy = ({ supplementalGroupsPolicy }: PodSecurityContext): SupplementalGroupsPolicy => (supplementalGroupsPolicy === 'Strict' ? SupplementalGroupsPolicy.Strict : SupplementalGroupsPolicy.Merge);

export function seccompProfile(profile: SeccompProfile | undefined): SecurityProfile | undefined {
  switch (profile?.type) {
    case 'RuntimeDefault':
      return runtimeDefault;
    case 'Unconfined':
      return { profileType: SecurityProfile_ProfileType.Unconfined };
    case 'Localhost':
      return { profileType: SecurityProfile_ProfileType.Localhost, localhostRef: profile.localhostProfile ?? '' };
    default:
      return undefined;
  }
}

/** Refuses to run as root what must not; the container's own settings go before the pod's. */
export function verifyNonRoot(pod: Pod, container: Container, image: Image | undefined): void {
  const podLevel = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  if (!(own.runAsNonRoot ?? podLevel.runAsNonRoot)) return;
  const where = `(pod: "${describePod(pod)}", container: ${container.name})`;
  const user = own.runAsUser ?? podLevel.runAsUser;
  if (user === 0) throw new ConfigFault(`container's runAsUser breaks non-root policy ${where}`);
  if (user !== undefined) return;
  if (image?.username && !image.uid) throw new ConfigFault(`container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`);
  if ((image?.uid?.value ?? 0n) === 0n) throw new ConfigFault(`container has runAsNonRoot and image will run as root ${where}`);
}

const defaultMasked = ['/proc/asound', '/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap'];
const defaultReadonly = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface SecurityInput {
  readonly image: Image | undefined;
  readonly usernsOptions?: UserNamespace | undefined;
  /** The container whose processes it is to see. */
  readonly targetId?: string | undefined;
}

/** The security context of one container. */
export function containerSecurity(pod: Pod, container: Container, { image, usernsOptions, targetId }: SecurityInput): LinuxContainerSecurityContext {
  const podLevel = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? podLevel.runAsUser;
  const group = own.runAsGroup ?? podLevel.runAsGroup;
  const { hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  const seccomp = seccompProfile(own.seccompProfile ?? podLevel.seccompProfile);
  const seLinux = own.seLinuxOptions ?? podLevel.seLinuxOptions;
  const unmasked = own.procMount === 'Unmasked';
  return {
    capabilities: { addCapabilities: [...(own.capabilities?.add ?? [])], dropCapabilities: [...(own.capabilities?.drop ?? [])] },
    privileged: own.privileged ?? false,
    namespaceOptions: {
      network: isHostNetwork(pod) ? NamespaceMode.NODE : NamespaceMode.POD,
      pid: targetId ? NamespaceMode.TARGET : hostPID ? NamespaceMode.NODE : shareProcessNamespace ? NamespaceMode.POD : NamespaceMode.CONTAINER,
      ipc: hostIPC ? NamespaceMode.NODE : NamespaceMode.POD,
      ...(targetId ? { targetId } : {}),
      ...(usernsOptions ? { usernsOptions } : {}),
    },
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    supplementalGroups: groupsOf(podLevel),
    supplementalGroupsPolicy: groupsPolicy(podLevel),
    maskedPaths: unmasked ? [] : defaultMasked,
    readonlyPaths: unmasked ? [] : defaultReadonly,
    ...(user !== undefined ? { runAsUser: { value: BigInt(user) } } : image?.uid ? { runAsUser: image.uid } : image?.username ? { runAsUsername: image.username } : {}),
    ...(group === undefined ? {} : { runAsGroup: { value: BigInt(group) } }),
    ...(seccomp ? { seccomp } : {}),
    ...(seLinux ? { selinuxOptions: seLinux } : {}),
  };
}
