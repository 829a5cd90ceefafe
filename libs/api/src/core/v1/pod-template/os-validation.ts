import type { PodSecurityContext, PodSpec, SecurityContext } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { allContainers } from './container-validation.ts';

const podLinuxOnly: readonly (keyof PodSecurityContext)[] = [
  'seccompProfile', 'fsGroup', 'fsGroupChangePolicy', 'sysctls', 'runAsUser', 'runAsGroup', 'supplementalGroups', 'supplementalGroupsPolicy', 'seLinuxChangePolicy',
];
const containerLinuxOnly: readonly (keyof SecurityContext)[] = [
  'appArmorProfile', 'seLinuxOptions', 'seccompProfile', 'capabilities', 'readOnlyRootFilesystem', 'privileged', 'allowPrivilegeEscalation', 'procMount', 'runAsUser', 'runAsGroup',
];
const forWindows = 'cannot be set for a windows pod';

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null;
}

function checkWindows(spec: PodSpec, at: FieldPath): void {
  const context = spec.securityContext ?? {};
  const path = at.child('securityContext');
  for (const name of ['appArmorProfile', 'seLinuxOptions'] as const) if (isGiven(context[name])) path.child(name).forbidden(forWindows);
  if (spec.hostUsers !== undefined) at.child('hostUsers').forbidden(forWindows);
  if (spec.hostPID) at.child('hostPID').forbidden(forWindows);
  if (spec.hostIPC) at.child('hostIPC').forbidden(forWindows);
  for (const name of podLinuxOnly) if (isGiven(context[name])) path.child(name).forbidden(forWindows);
  if (spec.shareProcessNamespace !== undefined) at.child('shareProcessNamespace').forbidden(forWindows);
  for (const { container, at: where } of allContainers(spec, at)) {
    for (const name of containerLinuxOnly) if (isGiven(container.securityContext?.[name])) where.child('securityContext').child(name).forbidden(forWindows);
  }
}

function checkLinux(spec: PodSpec, at: FieldPath): void {
  const message = 'windows options cannot be set for a linux pod';
  if (spec.securityContext?.windowsOptions) at.child('securityContext').child('windowsOptions').forbidden(message);
  for (const { container, at: where } of allContainers(spec, at)) {
    if (container.securityContext?.windowsOptions) where.child('securityContext').child('windowsOptions').forbidden(message);
  }
}

/** What the operating system that a pod asks for does not know. */
export function checkOs(spec: PodSpec, at: FieldPath): void {
  if (!spec.os) return;
  const { name = '' } = spec.os;
  if (name === '') at.child('os').child('name').required('cannot be empty');
  else if (name === 'linux') checkLinux(spec, at);
  else if (name === 'windows') checkWindows(spec, at);
  else at.child('os').notSupported(name, ['linux', 'windows']);
}

/** HostProcess is for all containers of a pod or for none, and takes the host's network. */
export function checkHostProcess(spec: PodSpec, at: FieldPath): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  let count = 0;
  const containers = allContainers(spec, at);
  for (const { container, at: where } of containers) {
    const own = container.securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && own !== ofPod) {
      where.child('securityContext').child('windowsOptions').child('hostProcess').invalid(own, `pod hostProcess value must be identical if both are specified, was ${ofPod}`);
    }
    if (own ?? ofPod) count++;
  }
  if (count === 0) return;
  if (count !== containers.length) at.invalid('', 'If pod contains any hostProcess containers then all containers must be HostProcess containers');
  if (!spec.hostNetwork) at.child('hostNetwork').invalid(false, 'hostNetwork must be true if pod contains any hostProcess containers');
}
