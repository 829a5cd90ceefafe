import type { FieldError } from '@orrery/errors';
import type { Affinity, Container, NodeAffinity, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { type FieldPath, findProblems, indexed } from '../../../validation/field-path.ts';
import { inRange, maxInt32 } from '../../../validation/fields.ts';
import { checkAnnotationUpdate } from '../pod-template/annotation-validation.ts';
import { checkTolerations } from '../pod-template/scheduling-validation.ts';
import { checkNewPod, noSpec } from './create-validation.ts';
import { describeChange } from './describe-change.ts';

const changeableMessage =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

const withImagesOf = (containers: readonly Container[] | undefined, old: readonly Container[] | undefined): Container[] =>
  (containers ?? []).map((container, i) => ({ ...container, image: old?.[i]?.image ?? '' }));

/** False when there is nothing to compare any more. */
function checkContainers(containers: readonly Container[] = [], { old = [], at }: { old: readonly Container[] | undefined; at: FieldPath }): boolean {
  if (containers.length !== old.length) {
    at.forbidden('pod updates may not add or remove containers');
    return false;
  }
  for (const [i, { image = '' }] of containers.entries()) {
    if (image === '') at.at(i).child('image').required();
    if (image.trim() !== image) at.at(i).child('image').invalid(image, 'must not have leading or trailing whitespace');
  }
  return true;
}

/** From none to a value, or from a value to a smaller one. */
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
  checkTolerations(value, at);
}

function checkSchedulingGates(spec: PodSpec, { old, at }: { old: PodSpec; at: FieldPath }): void {
  const before = new Set((old.schedulingGates ?? []).map((gate) => gate.name));
  for (const [i, gate] of indexed(spec.schedulingGates)) {
    if (!before.has(gate.name)) at.at(i).child('name').forbidden(`only deletion is allowed, but found new scheduling gate '${gate.name ?? ''}'`);
  }
}

function onlyAdds(term: NodeSelectorTerm, old: NodeSelectorTerm): boolean {
  const wasEmpty = !old.matchExpressions?.length && !old.matchFields?.length;
  if (wasEmpty && (term.matchExpressions?.length || term.matchFields?.length)) return false;
  return (['matchExpressions', 'matchFields'] as const).every((list) => {
    const before = old[list] ?? [];
    return before.length === 0 || semanticEqual((term[list] ?? []).slice(0, before.length), before);
  });
}

function checkNodeAffinity(affinity: NodeAffinity | undefined, { old, at }: { old: NodeAffinity | undefined; at: FieldPath }): void {
  const required = old?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return;
  const path = at.child('requiredDuringSchedulingIgnoredDuringExecution').child('nodeSelectorTerms');
  const before = required.nodeSelectorTerms ?? [];
  const after = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (before.length > 0 && before.length !== after.length) return path.invalid(after, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed');
  for (const [i, term] of before.entries()) {
    if (!onlyAdds(after[i] ?? {}, term)) path.at(i).invalid(after[i], 'only additions are allowed (no mutations or deletions)');
  }
}

/** Affinity with the old choice of nodes, as absent as it was. */
function withNodeAffinity(affinity: Affinity | undefined, old: Affinity | undefined): Affinity | undefined {
  const { nodeAffinity: _, ...others } = affinity ?? {};
  if (!old && !others.podAffinity && !others.podAntiAffinity) return undefined;
  return { ...others, ...(old?.nodeAffinity ? { nodeAffinity: old.nodeAffinity } : {}) };
}

/** While gates hold a pod, its choice of nodes may shrink; that it did is checked here. */
function undoNarrowing(undone: PodSpec, { spec, old, at }: { spec: PodSpec; old: PodSpec; at: FieldPath }): void {
  const kept = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value);
  if (!kept) at.child('nodeSelector').invalid(spec.nodeSelector ?? null, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)');
  undone.nodeSelector = old.nodeSelector;
  const change = { old: old.affinity?.nodeAffinity, at: at.child('affinity').child('nodeAffinity') };
  if (semanticEqual(spec.affinity?.nodeAffinity, change.old)) return;
  checkNodeAffinity(spec.affinity?.nodeAffinity, change);
  undone.affinity = withNodeAffinity(spec.affinity, old.affinity);
}

/** The new spec with everything that may change put back: what must equal the old one. */
function withChangesUndone(spec: PodSpec, { old, at }: { old: PodSpec; at: FieldPath }): PodSpec {
  const grace = spec.terminationGracePeriodSeconds;
  const allowedGrace = grace === 1 && (old.terminationGracePeriodSeconds ?? 0) < 0;
  const undone: PodSpec = {
    ...spec,
    containers: withImagesOf(spec.containers, old.containers),
    initContainers: withImagesOf(spec.initContainers, old.initContainers),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
    terminationGracePeriodSeconds: allowedGrace ? old.terminationGracePeriodSeconds : grace,
  };
  if ((old.schedulingGates ?? []).length > 0) undoNarrowing(undone, { spec, old, at });
  return undone;
}

export function validatePodUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  const spec = pod.spec ?? noSpec;
  const old = oldPod.spec ?? noSpec;
  return findProblems((root) => {
    const at = root.child('spec');
    checkNewPod(pod, root);
    checkAnnotationUpdate(pod.metadata?.annotations, { old: oldPod.metadata?.annotations, at: root.child('metadata').child('annotations') });
    if (!checkContainers(spec.containers, { old: old.containers, at: at.child('containers') })) return;
    if (!checkContainers(spec.initContainers, { old: old.initContainers, at: at.child('initContainers') })) return;
    if (!checkDeadline(spec, { old, at: at.child('activeDeadlineSeconds') })) return;
    checkTolerationChange(spec.tolerations ?? [], { old: old.tolerations ?? [], at: at.child('tolerations') });
    checkSchedulingGates(spec, { old, at: at.child('schedulingGates') });
    if (semanticEqual(spec, old)) return;
    const undone = withChangesUndone(spec, { old, at });
    if (!semanticEqual(undone, old)) at.forbidden(`${changeableMessage}\n${describeChange(old, undone)}`);
  });
}
