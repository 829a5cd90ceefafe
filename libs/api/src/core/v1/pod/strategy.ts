import type { AppArmorProfile, Container, Pod, PodSpec } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { findProblems } from '../../../validation/field-path.ts';
import { appArmorPrefix } from '../pod-template/annotation-validation.ts';
import { checkAppArmor } from '../pod-template/security-validation.ts';
import { noSpec } from './create-validation.ts';
import { mergeMatchLabelKeys } from './match-label-keys.ts';
import { qosClass } from './qos.ts';

const byAnnotation: Readonly<Record<string, AppArmorProfile>> = { 'runtime/default': { type: 'RuntimeDefault' }, unconfined: { type: 'Unconfined' } };

function profileOf(annotation: string): AppArmorProfile | undefined {
  const local = annotation.startsWith('localhost/') ? annotation.slice('localhost/'.length) : '';
  const profile = local ? { type: 'Localhost', localhostProfile: local } : byAnnotation[annotation];
  return profile && findProblems((root) => checkAppArmor(profile, root)).length === 0 ? profile : undefined;
}

/** Annotations that took the place of a missing profile when their pod was made: a warning that its spec no longer shows the reason for. */
const tookProfilesFrom = new WeakMap<Pod, readonly string[]>();

export const annotationsTaken = (pod: Pod): readonly string[] => tookProfilesFrom.get(pod) ?? [];

/** The older annotations of AppArmor count where a container says nothing itself. */
function takeAppArmorAnnotations(pod: Pod): void {
  const { spec = noSpec, metadata } = pod;
  if (spec.os?.name === 'windows' || !metadata?.annotations) return;
  const taken: string[] = [];
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])] as Container[]) {
    const key = appArmorPrefix + (container.name ?? '');
    const annotation = metadata.annotations[key];
    if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
    const profile = profileOf(annotation);
    const isNew = profile !== undefined && !semanticEqual(profile, spec.securityContext?.appArmorProfile);
    if (isNew) container.securityContext = { ...container.securityContext, appArmorProfile: profile };
    if (isNew || !profile) taken.push(key);
  }
  if (taken.length > 0) tookProfilesFrom.set(pod, taken);
}

export function startPod(pod: Pod): void {
  pod.status = { phase: 'Pending', qosClass: qosClass(pod) };
  // Groups of pods are alpha: the field is for servers that have them.
  delete pod.spec?.schedulingGroup;
  if ((pod.spec?.schedulingGates ?? []).length > 0) {
    const message = 'Scheduling is blocked due to non-empty scheduling gates';
    pod.status.conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message }];
  }
  mergeMatchLabelKeys(pod);
  takeAppArmorAnnotations(pod);
}

/** Of an update to /status. */
export function keepIdentity(pod: Pod, old: Pod): void {
  const metadata = (pod.metadata ??= {});
  if (old.metadata?.ownerReferences) metadata.ownerReferences = old.metadata.ownerReferences;
  else delete metadata.ownerReferences;
  if (pod.status && !pod.status.qosClass && old.status?.qosClass) pod.status.qosClass = old.status.qosClass;
  keepObservedGenerations(pod, old);
}

/** A client that does not know observedGeneration does not clear it, neither the pod's nor a condition's. */
function keepObservedGenerations({ status }: Pod, old: Pod): void {
  if (!status) return;
  const before = old.status?.observedGeneration;
  if (!status.observedGeneration && before) status.observedGeneration = before;
  if (!status.conditions?.some(({ observedGeneration }) => !observedGeneration)) return;
  const remembered = [...(old.status?.conditions ?? [])];
  for (const condition of status.conditions) {
    const i = remembered.findIndex(({ type }) => type === condition.type);
    const [known] = i < 0 ? [] : remembered.splice(i, 1);
    if (!condition.observedGeneration && known?.observedGeneration) condition.observedGeneration = known.observedGeneration;
  }
}

/** Subresources change none of the metadata that is the client's otherwise. */
function metadataAsBefore(pod: Pod, old: Pod): NonNullable<Pod['metadata']> {
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, deletionTimestamp: _d, ...metadata } = pod.metadata ?? {};
  const { labels, annotations, finalizers, ownerReferences, deletionTimestamp } = old.metadata ?? {};
  const kept = Object.entries({ labels, annotations, finalizers, ownerReferences, deletionTimestamp }).filter(([, value]) => value !== undefined);
  return { ...metadata, ...Object.fromEntries(kept) };
}

/** Resources and resize policies of the wanted containers; when they do not line up, validation is to see them as they are. */
function resized(wanted: readonly Container[] | undefined, old: readonly Container[] | undefined): Container[] {
  const list = [...(wanted ?? [])];
  if (!old || old.length !== list.length || list.some(({ name }, i) => name !== old[i]?.name)) return list;
  return old.map((container, i) => {
    const { resources: _r, resizePolicy: _p, ...rest } = container;
    const { resources, resizePolicy } = list[i] ?? {};
    return { ...rest, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
  });
}

/** The given parts of the new spec, all else as it was; the generation counts the change. */
function acceptOnly(pod: Pod, { old, accept }: { old: Pod; accept: (spec: PodSpec, wanted: PodSpec) => void }): void {
  const spec = structuredClone(old.spec ?? noSpec);
  accept(spec, pod.spec ?? noSpec);
  pod.spec = spec;
  if (old.status) pod.status = old.status;
  else delete pod.status;
  const generation = old.metadata?.generation ?? 0;
  pod.metadata = { ...metadataAsBefore(pod, old), generation: semanticEqual(spec, old.spec) ? generation : generation + 1 };
}

export function acceptEphemeralContainers(pod: Pod, old: Pod): void {
  acceptOnly(pod, {
    old,
    accept: (spec, { ephemeralContainers }) => {
      if (ephemeralContainers?.length) spec.ephemeralContainers = ephemeralContainers;
      else delete spec.ephemeralContainers;
    },
  });
}

export function acceptResize(pod: Pod, old: Pod): void {
  acceptOnly(pod, {
    old,
    accept: (spec, wanted) => {
      spec.containers = resized(wanted.containers, spec.containers);
      if (wanted.initContainers || spec.initContainers) spec.initContainers = resized(wanted.initContainers, spec.initContainers);
      if (wanted.resources) spec.resources = wanted.resources;
      else delete spec.resources;
    },
  });
}

/** Time to end gracefully: as asked or as the spec says, none for pods that never ran or are over. */
export function gracePeriod(pod: Pod, requested: number | undefined): number {
  const phase = pod.status?.phase;
  if (!pod.spec?.nodeName || phase === 'Failed' || phase === 'Succeeded') return 0;
  const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return seconds < 0 ? 1 : seconds;
}
