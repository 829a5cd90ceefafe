import type { FieldError } from '@orrery/errors';
import type { Container, ContainerStatus, Pod, PodSpec, Toleration } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkImmutable, inRange, maxInt32 } from '../../../validation/fields.ts';
import { ipFamily, ipMessage } from '../../../validation/addresses.ts';
import { dns1123Subdomain } from '../../../validation/names.ts';
import { checkPodSpec } from '../pod-template/pod-spec-validation.ts';
import { qosClass } from './qos.ts';

const changeableMessage =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The fields that differ, one a line: what was with a minus, what is wanted with a plus. */
function describeChange(old: unknown, value: unknown, path = ''): string[] {
  if (semanticEqual(old, value)) return [];
  const isMap = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null;
  if (isMap(old) && isMap(value) && Array.isArray(old) === Array.isArray(value)) {
    const keys = new Set([...Object.keys(old), ...Object.keys(value)]);
    return [...keys].flatMap((key) => describeChange(old[key], value[key], Array.isArray(old) ? `${path}[${key}]` : `${path}${path ? '.' : ''}${key}`));
  }
  const line = (sign: string, v: unknown): string[] => (v === undefined ? [] : [`${sign} \t${path}: ${JSON.stringify(v)}`]);
  return [...line('-', old), ...line('+', value)];
}

const withImagesOf = (containers: readonly Container[] | undefined, old: readonly Container[] | undefined): Container[] =>
  (containers ?? []).map((container, i) => ({ ...container, image: old?.[i]?.image ?? '' }));

function checkCount(change: { value: readonly unknown[] | undefined; old: readonly unknown[] | undefined }, at: FieldPath): boolean {
  if ((change.value ?? []).length === (change.old ?? []).length) return true;
  at.forbidden('pod updates may not add or remove containers');
  return false;
}

function checkDeadline(spec: PodSpec, { old, at }: { old: PodSpec; at: FieldPath }): boolean {
  const value = spec.activeDeadlineSeconds;
  if (value === undefined) {
    if (old.activeDeadlineSeconds !== undefined) at.invalid(null, 'must not update from a positive integer to nil value');
    return true;
  }
  const outside = inRange(value, 0, maxInt32);
  for (const message of outside) at.invalid(value, message);
  if (outside.length > 0) return false;
  if (old.activeDeadlineSeconds === undefined || old.activeDeadlineSeconds >= value) return true;
  at.invalid(value, 'must be less than or equal to previous value');
  return false;
}

/** Tolerations may be added; of those that are there only the seconds may change. */
function checkTolerationChange(value: readonly Toleration[], { old, at }: { old: readonly Toleration[]; at: FieldPath }): void {
  const plain = ({ tolerationSeconds: _, ...rest }: Toleration): unknown => rest;
  for (const before of old) {
    if (value.some((after) => semanticEqual(plain(before), plain(after)))) continue;
    at.forbidden('existing toleration can not be modified except its tolerationSeconds');
    return;
  }
}

function checkSchedulingGates(spec: PodSpec, { old, at }: { old: PodSpec; at: FieldPath }): void {
  const before = new Set((old.schedulingGates ?? []).map((gate) => gate.name));
  for (const [i, gate] of (spec.schedulingGates ?? []).entries()) {
    if (!before.has(gate.name)) at.at(i).forbidden(`only deletion is allowed, but found new scheduling gate '${gate.name}'`);
  }
}

/** The new spec with everything that may change put back: what must equal the old one. */
function withChangesUndone(spec: PodSpec, old: PodSpec): PodSpec {
  const grace = spec.terminationGracePeriodSeconds;
  const allowedGrace = grace === 1 && (old.terminationGracePeriodSeconds ?? 0) < 0;
  const gated = (old.schedulingGates ?? []).length > 0;
  const undone: PodSpec = {
    ...spec,
    containers: withImagesOf(spec.containers, old.containers),
    initContainers: withImagesOf(spec.initContainers, old.initContainers),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
    terminationGracePeriodSeconds: allowedGrace ? old.terminationGracePeriodSeconds : grace,
  };
  if (gated && onlyNarrowed(spec, old)) {
    undone.nodeSelector = old.nodeSelector;
    undone.affinity = { ...spec.affinity, nodeAffinity: old.affinity?.nodeAffinity };
  }
  return undone;
}

/** While gates hold a pod, its choice of nodes may shrink. */
function onlyNarrowed(spec: PodSpec, old: PodSpec): boolean {
  const kept = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value);
  const before = old.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const after = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!before) return kept;
  const narrower = after?.length === before.length && before.every((term, i) =>
    (term.matchExpressions ?? []).every((want) => after[i]?.matchExpressions?.some((have) => semanticEqual(have, want))));
  return kept && narrower;
}

export function validatePodUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  const spec = pod.spec ?? { containers: [] };
  const old = oldPod.spec ?? { containers: [] };
  return findProblems((root) => {
    const at = root.child('spec');
    checkPodSpec(spec, at);
    const sameCount = checkCount({ value: spec.containers, old: old.containers }, at.child('containers'));
    if (!sameCount || !checkCount({ value: spec.initContainers, old: old.initContainers }, at.child('initContainers'))) return;
    if (!checkDeadline(spec, { old, at: at.child('activeDeadlineSeconds') })) return;
    checkTolerationChange(spec.tolerations ?? [], { old: old.tolerations ?? [], at: at.child('tolerations') });
    checkSchedulingGates(spec, { old, at: at.child('schedulingGates') });
    const undone = withChangesUndone(spec, old);
    if (!semanticEqual(undone, old)) at.forbidden(`${changeableMessage}\n${describeChange(old, undone).join('\n')}`);
  });
}

/** Of an update through pods/ephemeralcontainers: those may be added, none changed or taken away. */
export function validateEphemeralContainersUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    const spec = pod.spec ?? { containers: [] };
    checkPodSpec(spec, at);
    const list = at.child('ephemeralContainers');
    const after = new Map((spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
    for (const before of oldPod.spec?.ephemeralContainers ?? []) {
      const now = after.get(before.name);
      if (!now) list.forbidden(`existing ephemeral containers "${before.name}" may not be removed\n`);
      else if (!semanticEqual(now, before)) list.forbidden(`existing ephemeral containers "${before.name}" may not be changed\n${describeChange(before, now).join('\n')}`);
    }
  });
}

const sameButResources = (containers: readonly Container[] | undefined): unknown =>
  (containers ?? []).map(({ resources, resizePolicy: _, ...rest }) => ({ ...rest, claims: resources?.claims }));

/** Of an update through pods/resize: only cpu and memory of containers may change, and the QoS class must stay. */
export function validatePodResize(pod: Pod, oldPod: Pod): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    const spec = pod.spec ?? { containers: [] };
    const old = oldPod.spec ?? { containers: [] };
    checkPodSpec(spec, at);
    const before = oldPod.status?.qosClass ?? qosClass(oldPod);
    if (qosClass(pod) !== before) root.child('metadata').invalid(pod.metadata?.name ?? '', 'Pod QoS Class may not change as a result of resizing');
    for (const list of ['containers', 'initContainers'] as const) {
      if (!semanticEqual(sameButResources(spec[list]), sameButResources(old[list]))) {
        at.forbidden(`only cpu and memory resources are mutable\n${describeChange(old[list], spec[list], list).join('\n')}`);
      }
    }
  });
}

/** A container that ended for good cannot run again. */
function checkTransitions(statuses: readonly ContainerStatus[] | undefined, { old, at, restarts }: { old: readonly ContainerStatus[] | undefined; at: FieldPath; restarts: (exitCode: number) => boolean }): void {
  for (const before of old ?? []) {
    const ended = before.state?.terminated;
    if (!ended || restarts(ended.exitCode)) continue;
    const i = (statuses ?? []).findIndex((status) => status.name === before.name);
    const now = statuses?.[i];
    if (now && !now.state?.terminated) at.at(i).child('state').forbidden('may not be transitioned to non-terminated state');
  }
}

export function validatePodStatusUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const { status = {} } = pod;
    const old = oldPod.status ?? {};
    if (status.nominatedNodeName) at.child('nominatedNodeName').matches(status.nominatedNodeName, dns1123Subdomain);
    if ((pod.spec?.nodeName ?? '') !== (oldPod.spec?.nodeName ?? '')) at.child('nodeName').forbidden('may not be changed directly');
    if ((status.observedGeneration ?? 0) < 0) at.child('observedGeneration').invalid(status.observedGeneration, 'must be a non-negative integer');
    const policy = pod.spec?.restartPolicy ?? 'Always';
    const restarts = (exitCode: number): boolean => policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
    const ownRules = (pod.spec?.containers ?? []).some((container) => container.restartPolicy || container.restartPolicyRules?.length);
    if (!ownRules) checkTransitions(status.containerStatuses, { old: old.containerStatuses, at: at.child('containerStatuses'), restarts });
    if (old.qosClass) checkImmutable({ value: status.qosClass, old: old.qosClass }, at.child('qosClass'));
    for (const [i, { ip }] of (status.podIPs ?? []).entries()) if (!ip || !ipFamily(ip)) at.child('podIPs').at(i).invalid(ip ?? '', ipMessage);
  });
}
