import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkId } from '../../../validation/fields.ts';
import { sysctlName } from '../../../validation/names.ts';
import { checkDescendingPath } from './path-validation.ts';
import { checkWindowsOptions } from './windows-options.ts';

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];
/** PATH_MAX - 1 */
const maxProfileBytes = 4095;

function checkSeccomp(profile: SeccompProfile | undefined, at: FieldPath): void {
  if (!profile) return;
  if (!profile.type) at.child('type').required('type is required when seccompProfile is set');
  else at.child('type').oneOf(profile.type, profileTypes);
  const file = profile.localhostProfile;
  const path = at.child('localhostProfile');
  if (profile.type !== 'Localhost') {
    if (file !== undefined) path.invalid(profile, 'can only be set when seccomp type is Localhost');
  } else if (file === undefined) path.required('must be set when seccomp type is Localhost');
  else checkDescendingPath(file, path);
}

function checkLocalAppArmor(file: string | undefined, at: FieldPath): void {
  if (file === undefined) return at.required('must be set when AppArmor type is Localhost');
  if (file.trim() !== file) at.invalid(file, 'must not be padded with whitespace');
  else if (file === '') at.required('must be set when AppArmor type is Localhost');
  if (Buffer.byteLength(file) > maxProfileBytes) at.tooLong(file, maxProfileBytes);
}

export function checkAppArmor(profile: AppArmorProfile | undefined, at: FieldPath): void {
  if (!profile) return;
  const { type = '', localhostProfile: file } = profile;
  const path = at.child('localhostProfile');
  if (type === 'Localhost') checkLocalAppArmor(file, path);
  else if (type === '') at.child('type').required('type is required when appArmorProfile is set');
  else if (!profileTypes.includes(type)) at.child('type').notSupported(type, profileTypes);
  else if (file !== undefined) path.invalid(file, 'can only be set when AppArmor type is Localhost');
}

function checkEscalation(context: SecurityContext, at: FieldPath): void {
  if (context.allowPrivilegeEscalation !== false) return;
  const message = 'cannot set `allowPrivilegeEscalation` to false and';
  if (context.privileged) at.invalid(context, `${message} \`privileged\` to true`);
  for (const capability of context.capabilities?.add ?? []) {
    if (capability === 'CAP_SYS_ADMIN') at.invalid(context, `${message} \`capabilities.Add\` CAP_SYS_ADMIN`);
  }
}

export function checkSecurityContext(context: SecurityContext | undefined, { at, hostUsers }: { at: FieldPath; hostUsers: boolean }): void {
  if (!context) return;
  checkId(context.runAsUser, at.child('runAsUser'));
  checkId(context.runAsGroup, at.child('runAsGroup'));
  if (context.procMount !== undefined) {
    const path = at.child('procMount');
    if (!['Default', 'Unmasked'].includes(context.procMount)) path.notSupported(context.procMount, ['Default', 'Unmasked']);
    if (hostUsers && context.procMount === 'Unmasked') path.invalid(context.procMount, '`hostUsers` must be false to use `Unmasked`');
  }
  checkSeccomp(context.seccompProfile, at.child('seccompProfile'));
  checkEscalation(context, at);
  checkWindowsOptions(context.windowsOptions, at.child('windowsOptions'));
  checkAppArmor(context.appArmorProfile, at.child('appArmorProfile'));
}

export function checkPodSecurity(spec: PodSpec, at: FieldPath): void {
  const context = spec.securityContext;
  if (context) {
    checkId(context.fsGroup, at.child('fsGroup'));
    checkId(context.runAsUser, at.child('runAsUser'));
    checkId(context.runAsGroup, at.child('runAsGroup'));
    for (const [i, group] of indexed(context.supplementalGroups)) checkId(Number(group), at.child('supplementalGroups').at(i));
  }
  if (spec.shareProcessNamespace && spec.hostPID) {
    at.child('shareProcessNamespace').invalid(true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  }
  if (!context) return;
  checkSysctls(spec, at.child('sysctls'));
  given(context.fsGroupChangePolicy, { allowed: ['Always', 'OnRootMismatch'], at: at.child('fsGroupChangePolicy') });
  checkSeccomp(context.seccompProfile, at.child('seccompProfile'));
  checkWindowsOptions(context.windowsOptions, at.child('windowsOptions'));
  checkAppArmor(context.appArmorProfile, at.child('appArmorProfile'));
  given(context.supplementalGroupsPolicy, { allowed: ['Merge', 'Strict'], at: at.child('supplementalGroupsPolicy') });
  given(context.seLinuxChangePolicy, { allowed: ['MountOption', 'Recursive'], at: at.child('seLinuxChangePolicy') });
}

/** An optional enumeration: absent is fine, empty is not. */
function given(value: string | undefined, { allowed, at }: { allowed: readonly string[]; at: FieldPath }): void {
  if (value !== undefined && !allowed.includes(value)) at.notSupported(value, allowed);
}

const ipcSysctls = /^(kernel\.shm|kernel\.msg|kernel\.sem$|fs\.mqueue\.)/;

/** Names may be written with slashes; the first separator tells what the others stand for. */
function dotted(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  return separator === '/' ? name.replace(/[./]/g, (c) => (c === '/' ? '.' : '/')) : name;
}

function checkSysctls(spec: PodSpec, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, { name = '' }] of indexed(spec.securityContext?.sysctls)) {
    const path = at.at(i).child('name');
    const before = at.errors.length;
    path.requires(name, sysctlName);
    if (at.errors.length === before && names.has(name)) path.duplicate(name);
    names.add(name);
    if (spec.hostNetwork && dotted(name).startsWith('net.')) path.invalid(name, "may not be specified when 'hostNetwork' is true");
    else if (spec.hostIPC && ipcSysctls.test(dotted(name))) path.invalid(name, "may not be specified when 'hostIPC' is true");
  }
}
