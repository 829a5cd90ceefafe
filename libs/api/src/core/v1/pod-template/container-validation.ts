import type { Container, ContainerPort, EphemeralContainer, PodSpec, Volume } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkPort } from '../../../validation/fields.ts';
import { dns1123Label, portName } from '../../../validation/names.ts';
import { checkEnv, checkEnvFrom } from './env-validation.ts';
import { checkDevices, checkMounts } from './mount-validation.ts';
import { checkLifecycle, checkOneSuccessProbe, checkReadinessProbe } from './probe-validation.ts';
import { checkResources } from './resource-validation.ts';
import { checkResizePolicies, checkRestart } from './restart-validation.ts';
import { checkSecurityContext } from './security-validation.ts';

/** What a container's checks need to know of its pod. */
export interface PodScope {
  readonly spec: PodSpec;
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly claims: ReadonlySet<string>;
  /** A pod, not the template of one: templates were once let off some checks. */
  readonly isPod: boolean;
}

export type ContainerList = 'containers' | 'initContainers' | 'ephemeralContainers';

/** Every container with where it stands: init containers first, as upstream visits them. */
export function allContainers(spec: PodSpec, at: FieldPath): { container: Container; at: FieldPath }[] {
  const all: { container: Container; at: FieldPath }[] = [];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, container] of indexed(spec[list])) all.push({ container: container as Container, at: at.child(list).at(i) });
  }
  return all;
}

const protocols = ['SCTP', 'TCP', 'UDP'];

function checkPorts(ports: readonly ContainerPort[] | undefined, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, port] of indexed(ports)) {
    const path = at.at(i);
    if (port.name) {
      const before = at.errors.length;
      path.child('name').matches(port.name, portName);
      if (at.errors.length === before && names.has(port.name)) path.child('name').duplicate(port.name);
      if (at.errors.length === before) names.add(port.name);
    }
    if (!port.containerPort) path.child('containerPort').required();
    else checkPort(port.containerPort, path.child('containerPort'));
    if (port.hostPort) checkPort(port.hostPort, path.child('hostPort'));
    path.child('protocol').requiredOneOf(port.protocol, protocols);
  }
}

function checkTrimmedImage(container: Container, at: FieldPath): void {
  const image = container.image ?? '';
  if (image.trim() !== image) at.child('image').invalid(image, 'must not have leading or trailing whitespace');
}

/** What holds for containers of every sort. */
function checkContainer(container: Container, { at, scope }: { at: FieldPath; scope: PodScope }): void {
  const { spec, volumes, claims } = scope;
  at.child('name').requires(container.name, dns1123Label);
  if (!container.image) at.child('image').required();
  at.child('terminationMessagePolicy').requiredOneOf(container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']);
  checkPorts(container.ports, at.child('ports'));
  checkEnv(container.env, at.child('env'));
  checkEnvFrom(container.envFrom, at.child('envFrom'));
  checkMounts(container, { at: at.child('volumeMounts'), volumes });
  checkDevices(container, { at: at.child('volumeDevices'), volumes });
  at.child('imagePullPolicy').requiredOneOf(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']);
  checkResources(container.resources, { at: at.child('resources'), claims });
  checkResizePolicies(container.resizePolicy, { at: at.child('resizePolicy'), restartPolicy: spec.restartPolicy });
  checkSecurityContext(container.securityContext, { at: at.child('securityContext'), hostUsers: spec.hostUsers ?? true });
}

function checkHooks(container: Container, { at, scope }: { at: FieldPath; scope: PodScope }): void {
  const { terminationGracePeriodSeconds: grace, os } = scope.spec;
  checkLifecycle(container.lifecycle, { at: at.child('lifecycle'), grace, os });
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
    if (names.has(container.name ?? '')) path.child('name').duplicate(container.name ?? '');
    names.add(container.name ?? '');
    checkHooks(container, { at: path, scope });
    checkRestart(container, path);
  }
  checkHostPorts(containers, (c, p) => at.at(c).child('ports').at(p));
}

const hooks = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;

export function checkInitContainers(scope: PodScope, at: FieldPath): void {
  const names = new Set((scope.spec.containers ?? []).map((container) => container.name ?? ''));
  for (const [i, container] of indexed(scope.spec.initContainers)) {
    const path = at.at(i);
    checkContainer(container, { at: path, scope });
    checkRestart(container, path);
    if (names.has(container.name ?? '')) path.child('name').duplicate(container.name ?? '');
    else if (container.name) names.add(container.name);
    // They run one after the other, and upstream counts each as the first.
    checkHostPorts([container], (_, p) => at.at(0).child('ports').at(p));
    if (container.restartPolicy === 'Always') checkHooks(container, { at: path, scope });
    else {
      for (const hook of hooks) if (container[hook]) path.child(hook).forbidden('may not be set for init containers without restartPolicy=Always');
      for (const [p, policy] of indexed(container.resizePolicy)) {
        if (policy.restartPolicy === 'RestartContainer') {
          path.child('resizePolicy').at(p).child('restartPolicy').invalid(policy.restartPolicy, "must not be set to 'RestartContainer' for non-sidecar initContainers");
        }
      }
    }
  }
}

/** In the order of the type's fields. */
const notForEphemeral: readonly (keyof EphemeralContainer)[] = [
  'ports', 'resources', 'resizePolicy', 'restartPolicy', 'restartPolicyRules', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle',
];

function isSet(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  return !Array.isArray(value) || value.length > 0;
}

export function checkEphemeralContainers(scope: PodScope, at: FieldPath): void {
  const forbidden = 'cannot be set for an Ephemeral Container';
  const others = [...(scope.spec.containers ?? []), ...(scope.spec.initContainers ?? [])].map((container) => container.name ?? '');
  const names = new Set(others);
  for (const [i, container] of indexed(scope.spec.ephemeralContainers)) {
    const path = at.at(i);
    checkContainer(container, { at: path, scope });
    checkTrimmedImage(container, path);
    if (names.has(container.name ?? '')) path.child('name').duplicate(container.name ?? '');
    names.add(container.name ?? '');
    const target = container.targetContainerName;
    if (target && !others.includes(target)) path.child('targetContainerName').notFound(target);
    for (const field of notForEphemeral) {
      // No resources at all are shown as an empty object.
      const value = field === 'resources' && Object.keys(container.resources ?? {}).length === 0 ? undefined : container[field];
      if (isSet(value)) path.child(field).forbidden(forbidden);
    }
    for (const [m, mount] of indexed(container.volumeMounts)) {
      for (const field of ['subPath', 'subPathExpr'] as const) if (mount[field]) path.child('volumeMounts').at(m).child(field).forbidden(forbidden);
    }
  }
}

/** Only of pods: images of templates may hold blanks, which some replace later. */
export function checkImages(spec: PodSpec, at: FieldPath): void {
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [i, container] of indexed(spec[list])) checkTrimmedImage(container, at.child(list).at(i));
  }
}

function checkHostPorts(containers: readonly Container[], at: (container: number, port: number) => FieldPath): void {
  const taken = new Set<string>();
  for (const [i, container] of containers.entries()) {
    for (const [p, port] of indexed(container.ports)) {
      if (!port.hostPort) continue;
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (taken.has(key)) at(i, p).child('hostPort').duplicate(key);
      taken.add(key);
    }
  }
}
