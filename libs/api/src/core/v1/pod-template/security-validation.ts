import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkId } from '../../../validation/fields.ts';
import { sysctlName } from '../../../validation/names.ts';

function checkSeccomp(profile: SeccompProfile | undefined, at: FieldPath): void {
  if (!profile) return;
  if (!profile.type) return at.child('type').required('type is required when seccompProfile is set');
  at.child('type').oneOf(profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  const file = profile.localhostProfile;
  if (profile.type === 'Localhost') {
    if (!file) at.child('localhostProfile').required('must be set when seccomp type is Localhost');
    else checkDescendingPath(file, at.child('localhostProfile'));
  } else if (file !== undefined) at.child('localhostProfile').invalid(file, 'can only be set when seccomp type is Localhost');
}

function checkAppArmor(profile: AppArmorProfile | undefined, at: FieldPath): void {
  if (!profile) return;
  at.child('type').requiredOneOf(profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  const file = profile.localhostProfile;
  if (profile.type === 'Localhost') {
    if (!file?.trim()) at.child('localhostProfile').required('must be set when AppArmor type is Localhost');
  } else if (file !== undefined) at.child('localhostProfile').invalid(file, 'can only be set when AppArmor type is Localhost');
}

/** A relative path that never steps back. */
export function checkDescendingPath(path: string, at: FieldPath): void {
  if (path.startsWith('/')) at.invalid(path, 'must be a relative path');
  checkNoBacksteps(path, at);
}

export function checkNoBacksteps(path: string, at: FieldPath): void {
  if (path.split('/').includes('..')) at.invalid(path, "must not contain '..'");
}

export function checkSecurityContext(context: SecurityContext | undefined, at: FieldPath): void {
  if (!context) return;
  checkId(context.runAsUser, at.child('runAsUser'));
  checkId(context.runAsGroup, at.child('runAsGroup'));
  at.child('procMount').oneOf(context.procMount, ['Default', 'Unmasked']);
  checkSeccomp(context.seccompProfile, at.child('seccompProfile'));
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) at.invalid(context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true');
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      at.invalid(context, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN');
    }
  }
  checkAppArmor(context.appArmorProfile, at.child('appArmorProfile'));
}

export function checkPodSecurity(spec: PodSpec, at: FieldPath): void {
  const context = spec.securityContext;
  if (spec.shareProcessNamespace && spec.hostPID) {
    at.child('shareProcessNamespace').invalid(true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  }
  if (!context) return;
  checkId(context.fsGroup, at.child('fsGroup'));
  checkId(context.runAsUser, at.child('runAsUser'));
  checkId(context.runAsGroup, at.child('runAsGroup'));
  for (const [i, group] of (context.supplementalGroups ?? []).entries()) checkId(Number(group), at.child('supplementalGroups').at(i));
  checkSysctls(spec, at.child('sysctls'));
  at.child('fsGroupChangePolicy').oneOf(context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']);
  at.child('supplementalGroupsPolicy').oneOf(context.supplementalGroupsPolicy, ['Merge', 'Strict']);
  checkSeccomp(context.seccompProfile, at.child('seccompProfile'));
  checkAppArmor(context.appArmorProfile, at.child('appArmorProfile'));
}

function checkSysctls(spec: PodSpec, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, sysctl] of (spec.securityContext?.sysctls ?? []).entries()) {
    const path = at.at(i).child('name');
    if (!sysctl.name) path.required();
    else path.matches(sysctl.name, sysctlName);
    if (names.has(sysctl.name)) path.duplicate(sysctl.name);
    names.add(sysctl.name);
    const dotted = (sysctl.name ?? '').replaceAll('/', '.');
    if (spec.hostNetwork && dotted.startsWith('net.')) path.invalid(sysctl.name, 'may not be specified when \'hostNetwork\' is true');
    if (spec.hostIPC && (dotted.startsWith('kernel.shm') || dotted.startsWith('kernel.msg') || dotted === 'kernel.sem' || dotted.startsWith('fs.mqueue.'))) {
      path.invalid(sysctl.name, 'may not be specified when \'hostIPC\' is true');
    }
  }
}
