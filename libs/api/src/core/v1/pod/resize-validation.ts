import type { FieldError } from '@orrery/errors';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { type FieldPath, findProblems, indexed } from '../../../validation/field-path.ts';
import { checkAnnotationUpdate, mirrorAnnotation } from '../pod-template/annotation-validation.ts';
import { checkNewPod, noSpec } from './create-validation.ts';
import { describeChange } from './describe-change.ts';
import { qosClass } from './qos.ts';

type Amounts = Record<string, string>;

const isMirror = (pod: Pod): boolean => pod.metadata?.annotations?.[mirrorAnnotation] !== undefined;
const isSidecar = (container: Container | undefined): boolean => container?.restartPolicy === 'Always';

/** The only problem there is: everything else does not matter. */
const refused = (detail: string): FieldError[] => findProblems((root) => root.none().forbidden(detail));

/** Of an update through pods/ephemeralcontainers: those may be added, none changed or taken away. */
export function validateEphemeralContainersUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  if (isMirror(oldPod)) return refused('static pods do not support ephemeral containers');
  return findProblems((root) => {
    checkNewPod(pod, root);
    checkAnnotationUpdate(pod.metadata?.annotations, { old: oldPod.metadata?.annotations, at: root.child('metadata').child('annotations') });
    const list = root.child('spec').child('ephemeralContainers');
    const after = new Map((pod.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]));
    for (const before of oldPod.spec?.ephemeralContainers ?? []) {
      const now = after.get(before.name);
      const name = JSON.stringify(before.name ?? '');
      if (!now) list.forbidden(`existing ephemeral containers ${name} may not be removed\n`);
      else if (!semanticEqual(now, before)) list.forbidden(`existing ephemeral containers ${name} may not be changed\n${describeChange(before, now)}`);
    }
  });
}

function isRemoved(amounts: Amounts | undefined, old: Amounts | undefined): boolean {
  return Object.keys(old ?? {}).some((name) => amounts?.[name] === undefined);
}

function withOldComputing(amounts: Amounts | undefined, old: Amounts | undefined): Amounts {
  const { cpu: _c, memory: _m, ...others } = amounts ?? {};
  const before = Object.entries(old ?? {}).filter(([name]) => name === 'cpu' || name === 'memory');
  return { ...others, ...Object.fromEntries(before) };
}

/** The requirements with cpu and memory as they were: what must not have changed. Claims of containers are not looked at. */
function undone(resources: ResourceRequirements | undefined, old: ResourceRequirements | undefined): ResourceRequirements {
  return { limits: withOldComputing(resources?.limits, old?.limits), requests: withOldComputing(resources?.requests, old?.requests) };
}

function checkRemovals(resources: ResourceRequirements | undefined, { old, at, prefix = '' }: { old: ResourceRequirements | undefined; at: FieldPath; prefix?: string }): void {
  if (isRemoved(resources?.requests, old?.requests)) at.child('requests').forbidden(`${prefix}resource requests cannot be removed`);
  if (isRemoved(resources?.limits, old?.limits)) at.child('limits').forbidden(`${prefix}resource limits cannot be removed`);
}

function checkOrder(list: 'containers' | 'initContainers', { spec, old, at }: { spec: PodSpec; old: PodSpec; at: FieldPath }): boolean {
  const before = old[list] ?? [];
  const after = spec[list] ?? [];
  if (before.length !== after.length) {
    at.child(list).forbidden(`${list} may not be added or removed on resize`);
    return false;
  }
  const moved = before.flatMap(({ name }, i) => (after[i]?.name === name ? [] : [i]));
  for (const i of moved) at.child(list).at(i).child('name').forbidden(`${list} may not be renamed or reordered on resize`);
  return moved.length === 0;
}

const hasAmounts = (resources: ResourceRequirements | undefined): boolean => Object.keys({ ...resources?.requests, ...resources?.limits }).length > 0;

function checkPodLevel(spec: PodSpec, { old, at }: { old: PodSpec; at: FieldPath }): void {
  if (!hasAmounts(spec.resources) && !hasAmounts(old.resources)) return;
  if (old.resources && !spec.resources) return at.child('resources').forbidden('pod-level resources cannot be removed');
  checkRemovals(spec.resources, { old: old.resources, at: at.child('resources'), prefix: 'pod-level ' });
  if (!semanticEqual(undone(spec.resources, old.resources), undone(old.resources, old.resources))) at.forbidden('only cpu and memory resources are mutable at pod-level');
}

/** A container that runs and tells no resources is on a node that cannot resize. */
function isSupported({ status }: Pod): boolean {
  const running = (status?.containerStatuses ?? []).find(({ state }) => state?.running);
  return !running || running.resources !== undefined;
}

/** The container with old cpu and memory, and with the resize policy, which a resize must leave alone, as it came. */
const asBefore = (container: Container, old: Container): Container => ({ ...container, resources: undone(container.resources, old.resources) });
const plain = (container: Container): Container => ({ ...container, resources: undone(container.resources, container.resources) });

function checkContainers(spec: PodSpec, { old, at }: { old: PodSpec; at: FieldPath }): void {
  for (const [i, before] of indexed(old.initContainers)) {
    if (isSidecar(before)) checkRemovals(spec.initContainers?.[i]?.resources, { old: before.resources, at: at.child('initContainers').at(i).child('resources') });
  }
  for (const [i, before] of indexed(old.containers)) {
    checkRemovals(spec.containers?.[i]?.resources, { old: before.resources, at: at.child('containers').at(i).child('resources') });
  }
  for (const [i, before] of indexed(old.containers)) {
    const now = spec.containers?.[i];
    if (now && !semanticEqual(asBefore(now, before), plain(before))) at.forbidden('only cpu and memory resources are mutable');
  }
  for (const [i, before] of indexed(old.initContainers)) {
    const now = spec.initContainers?.[i];
    if (!now) continue;
    if (!isSidecar(now)) {
      if (!semanticEqual(now, before)) at.forbidden('resources for non-sidecar init containers are immutable');
    } else if (!semanticEqual(asBefore(now, before), plain(before))) {
      at.child('initContainers').at(i).forbidden('only cpu and memory resources for init or sidecar containers are mutable');
    }
  }
}

/** Of an update through pods/resize: only cpu and memory may change, and the QoS class must stay. */
export function validatePodResize(pod: Pod, oldPod: Pod): FieldError[] {
  if (isMirror(oldPod)) return refused('static pods cannot be resized');
  if (oldPod.spec?.os?.name === 'windows') return refused('windows pods cannot be resized');
  return findProblems((root) => {
    const at = root.child('spec');
    const spec = pod.spec ?? noSpec;
    const old = oldPod.spec ?? noSpec;
    checkNewPod(pod, root);
    const before = oldPod.status?.qosClass || qosClass(oldPod);
    if (qosClass(pod) !== before) at.invalid(pod.status?.qosClass ?? before, 'Pod QOS Class may not change as a result of resizing');
    if (!isSupported(oldPod)) at.forbidden('Pod running on node without support for resize');
    checkPodLevel(spec, { old, at });
    const lists = ['containers', 'initContainers'] as const;
    if (lists.map((list) => checkOrder(list, { spec, old, at })).includes(false)) return;
    checkContainers(spec, { old, at });
  });
}
