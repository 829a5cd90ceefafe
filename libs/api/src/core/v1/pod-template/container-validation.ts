import type { Container, ContainerPort, EphemeralContainer, PodSpec, VolumeMount } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkPort } from '../../../validation/fields.ts';
import { dns1123Label, portName } from '../../../validation/names.ts';
import { checkEnv, checkEnvFrom } from './env-validation.ts';
import { checkLifecycle, checkOneSuccessProbe, checkReadinessProbe } from './probe-validation.ts';
import { checkResources } from './resource-validation.ts';
import { checkDescendingPath, checkSecurityContext } from './security-validation.ts';

/** What a container's checks need to know of its pod. */
export interface PodScope {
  readonly spec: PodSpec;
  readonly volumes: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
}

const protocols = ['SCTP', 'TCP', 'UDP'];
const restartPolicies = ['Always', 'Never', 'OnFailure'];

function checkPorts(ports: readonly ContainerPort[] | undefined, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, port] of (ports ?? []).entries()) {
    const path = at.at(i);
    if (port.name) {
      const before = at.errors.length;
      path.child('name').matches(port.name, portName);
      if (at.errors.length === before && names.has(port.name)) path.child('name').duplicate(port.name);
      names.add(port.name);
    }
    if (!port.containerPort) path.child('containerPort').required();
    else checkPort(port.containerPort, path.child('containerPort'));
    if (port.hostPort) checkPort(port.hostPort, path.child('hostPort'));
    path.child('protocol').requiredOneOf(port.protocol, protocols);
  }
}

function checkMounts(container: Container, { at, volumes }: { at: FieldPath; volumes: ReadonlySet<string> }): void {
  const paths = new Set<string>();
  const devices = new Set((container.volumeDevices ?? []).map((device) => device.name));
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const path = at.at(i);
    if (!mount.name) path.child('name').required();
    if (!volumes.has(mount.name)) path.child('name').notFound(mount.name);
    if (!mount.mountPath) path.child('mountPath').required();
    if (paths.has(mount.mountPath)) path.child('mountPath').invalid(mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    if (devices.has(mount.name)) path.child('name').invalid(mount.name, 'must not already exist in volumeDevices');
    checkMountOptions(mount, { at: path, privileged: container.securityContext?.privileged ?? false });
  }
}

function checkMountOptions(mount: VolumeMount, { at, privileged }: { at: FieldPath; privileged: boolean }): void {
  if (mount.subPath) checkDescendingPath(mount.subPath, at.child('subPath'));
  if (mount.subPathExpr) {
    if (mount.subPath) at.child('subPathExpr').invalid(mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
    checkDescendingPath(mount.subPathExpr, at.child('subPathExpr'));
  }
  const propagation = at.child('mountPropagation');
  propagation.oneOf(mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None']);
  if (mount.mountPropagation === 'Bidirectional' && !privileged) {
    propagation.forbidden('Bidirectional mount propagation is available only to privileged containers');
  }
  const recursive = mount.recursiveReadOnly;
  if (recursive === undefined || recursive === 'Disabled') return;
  const path = at.child('recursiveReadOnly');
  path.oneOf(recursive, ['Disabled', 'Enabled', 'IfPossible']);
  if (!mount.readOnly) path.forbidden('may only be specified when readOnly is true');
}

function checkDevices(container: Container, { at, volumes }: { at: FieldPath; volumes: ReadonlySet<string> }): void {
  const paths = new Set<string>();
  for (const [i, device] of (container.volumeDevices ?? []).entries()) {
    const path = at.at(i);
    if (!device.name) path.child('name').required();
    else if (!volumes.has(device.name)) path.child('name').notFound(device.name);
    if (!device.devicePath) path.child('devicePath').required();
    else if (paths.has(device.devicePath)) path.child('devicePath').invalid(device.devicePath, 'must be unique');
    paths.add(device.devicePath);
  }
}

/** What holds for containers of every sort. */
export function checkContainer(container: Container, { at, scope }: { at: FieldPath; scope: PodScope }): void {
  at.child('name').requires(container.name, dns1123Label);
  const image = container.image ?? '';
  if (image === '') at.child('image').required();
  else if (image.trim() !== image) at.child('image').invalid(image, 'must not have leading or trailing whitespace');
  at.child('terminationMessagePolicy').requiredOneOf(container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']);
  checkPorts(container.ports, at.child('ports'));
  checkEnv(container.env, at.child('env'));
  checkEnvFrom(container.envFrom, at.child('envFrom'));
  checkMounts(container, { at: at.child('volumeMounts'), volumes: scope.volumes });
  checkDevices(container, { at: at.child('volumeDevices'), volumes: scope.volumes });
  at.child('imagePullPolicy').requiredOneOf(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']);
  checkResources(container.resources, { at: at.child('resources'), claims: scope.claims });
  for (const [i, policy] of (container.resizePolicy ?? []).entries()) checkResizePolicy(policy, at.child('resizePolicy').at(i));
  checkSecurityContext(container.securityContext, at.child('securityContext'));
}

function checkResizePolicy(policy: { resourceName: string; restartPolicy: string }, at: FieldPath): void {
  at.child('resourceName').requiredOneOf(policy.resourceName, ['cpu', 'memory']);
  at.child('restartPolicy').requiredOneOf(policy.restartPolicy, ['NotRequired', 'RestartContainer']);
}

function checkHooks(container: Container, { at, scope }: { at: FieldPath; scope: PodScope }): void {
  checkLifecycle(container.lifecycle, { at: at.child('lifecycle'), grace: scope.spec.terminationGracePeriodSeconds });
  checkOneSuccessProbe(container.livenessProbe, at.child('livenessProbe'));
  checkReadinessProbe(container.readinessProbe, at.child('readinessProbe'));
  checkOneSuccessProbe(container.startupProbe, at.child('startupProbe'));
}

export function checkContainers(scope: PodScope, at: FieldPath): void {
  const containers = scope.spec.containers ?? [];
  if (containers.length === 0) return at.required();
  const names = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const path = at.at(i);
    checkContainer(container, { at: path, scope });
    if (names.has(container.name)) path.child('name').duplicate(container.name);
    names.add(container.name);
    checkHooks(container, { at: path, scope });
    path.child('restartPolicy').oneOf(container.restartPolicy, restartPolicies);
  }
  checkHostPorts(containers, at);
}

export function checkInitContainers(scope: PodScope, at: FieldPath): void {
  const names = new Set((scope.spec.containers ?? []).map((container) => container.name));
  for (const [i, container] of (scope.spec.initContainers ?? []).entries()) {
    const path = at.at(i);
    checkContainer(container, { at: path, scope });
    path.child('restartPolicy').oneOf(container.restartPolicy, restartPolicies);
    if (names.has(container.name)) path.child('name').duplicate(container.name);
    names.add(container.name);
    if (container.restartPolicy === 'Always') checkHooks(container, { at: path, scope });
    else for (const hook of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[hook]) path.child(hook).forbidden('may not be set for init containers without restartPolicy=Always');
    }
    checkHostPorts([container], at);
  }
}

const notForEphemeral: readonly (keyof EphemeralContainer)[] = [
  'ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'resizePolicy', 'restartPolicy',
];

export function checkEphemeralContainers(scope: PodScope, at: FieldPath): void {
  const others = [...(scope.spec.containers ?? []), ...(scope.spec.initContainers ?? [])].map((container) => container.name);
  const names = new Set(others);
  for (const [i, container] of (scope.spec.ephemeralContainers ?? []).entries()) {
    const path = at.at(i);
    checkContainer(container, { at: path, scope });
    if (names.has(container.name)) path.child('name').duplicate(container.name);
    names.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.includes(target)) path.child('targetContainerName').notFound(target);
    for (const field of notForEphemeral) if (container[field] !== undefined) path.child(field).forbidden('cannot be set for an Ephemeral Container');
    if (Object.keys(container.resources ?? {}).length > 0) path.child('resources').forbidden('cannot be set for an Ephemeral Container');
    for (const [m, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath) path.child('volumeMounts').at(m).child('subPath').forbidden('cannot be set for an Ephemeral Container');
    }
  }
}

function checkHostPorts(containers: readonly Container[], at: FieldPath): void {
  const taken = new Set<string>();
  for (const [i, container] of containers.entries()) {
    for (const [p, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (taken.has(key)) at.at(i).child('ports').at(p).child('hostPort').duplicate(key);
      taken.add(key);
    }
  }
}
