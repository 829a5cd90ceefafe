import type { Container, Pod } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { findProblems } from '../../validation/field-path.ts';
import { dns1123Label } from '../../validation/names.ts';
import { podColumns } from './pod/columns.ts';
import { mergeMatchLabelKeys } from './pod/match-label-keys.ts';
import { qosClass } from './pod/qos.ts';
import { validateEphemeralContainersUpdate, validatePodResize, validatePodStatusUpdate, validatePodUpdate } from './pod/update-validation.ts';
import { podSpecWarnings } from './pod-template/warnings.ts';
import { defaultPod } from './pod-template/defaults.ts';
import { checkPodSpec } from './pod-template/pod-spec-validation.ts';

function startStatus(pod: Pod): void {
  mergeMatchLabelKeys(pod);
  pod.status = { phase: 'Pending', qosClass: qosClass(pod) };
  if ((pod.spec?.schedulingGates ?? []).length === 0) return;
  const message = 'Scheduling is blocked due to non-empty scheduling gates';
  pod.status.conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message }];
}

function keepIdentity(pod: Pod, old: Pod): void {
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
  const remembered = [...(old.status?.conditions ?? [])];
  for (const condition of status.conditions ?? []) {
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
function acceptOnly(pod: Pod, { old, accept }: { old: Pod; accept: (spec: NonNullable<Pod['spec']>, wanted: NonNullable<Pod['spec']>) => void }): void {
  const wanted = pod.spec ?? { containers: [] };
  const spec = structuredClone(old.spec ?? { containers: [] });
  accept(spec, wanted);
  pod.spec = spec;
  if (old.status) pod.status = old.status;
  else delete pod.status;
  const generation = old.metadata?.generation ?? 0;
  pod.metadata = { ...metadataAsBefore(pod, old), generation: semanticEqual(spec, old.spec) ? generation : generation + 1 };
}

/** Time to end gracefully: as asked or as the spec says, none for pods that never ran or are over. */
function gracePeriod(pod: Pod, requested: number | undefined): number {
  const phase = pod.status?.phase;
  if (!pod.spec?.nodeName || phase === 'Failed' || phase === 'Succeeded') return 0;
  const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return seconds < 0 ? 1 : seconds;
}

/** Updates of pods are frequent and rarely a person's: they get no warnings. */
function podWarnings(pod: Pod, old: Pod | undefined): string[] {
  if (old) return [];
  const problems = dns1123Label(pod.metadata?.name ?? '');
  const name = `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${problems.join(' ')}]`;
  return [...(problems.length > 0 ? [name] : []), ...podSpecWarnings(pod.spec, { old: undefined, path: 'spec' })];
}

export const podKind = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  resource: 'pods',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  hasStatus: true,
  generation: 'spec',
  subresources: [
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    {
      name: 'ephemeralcontainers',
      kind: 'Pod',
      verbs: ['get', 'patch', 'update'],
      prepareForUpdate: (pod, old) =>
        acceptOnly(pod, {
          old,
          accept: (spec, wanted) => {
            spec.ephemeralContainers = wanted.ephemeralContainers ?? [];
          },
        }),
      validateUpdate: validateEphemeralContainersUpdate,
    },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
    { name: 'proxy', kind: 'PodProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
    {
      name: 'resize',
      kind: 'Pod',
      verbs: ['get', 'patch', 'update'],
      prepareForUpdate: (pod, old) =>
        acceptOnly(pod, {
          old,
          accept: (spec, wanted) => {
            spec.containers = resized(wanted.containers, spec.containers);
            if (wanted.initContainers || spec.initContainers) spec.initContainers = resized(wanted.initContainers, spec.initContainers);
            if (wanted.resources) spec.resources = wanted.resources;
          },
        }),
      validateUpdate: validatePodResize,
    },
  ],
  defaults: defaultPod,
  onCreate: startStatus,
  onStatusUpdate: keepIdentity,
  validate: (pod) => findProblems((root) => checkPodSpec(pod.spec ?? { containers: [] }, root.child('spec'))),
  validateUpdate: validatePodUpdate,
  validateStatusUpdate: validatePodStatusUpdate,
  gracePeriodSeconds: gracePeriod,
  warnings: podWarnings,
  selectableFields: [
    'spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'spec.hostNetwork', 'status.phase', 'status.podIP', 'status.podIPs', 'status.nominatedNodeName',
  ],
  selectable: ({ spec, status }) => ({
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.restartPolicy': spec?.restartPolicy ?? '',
    'spec.schedulerName': spec?.schedulerName ?? '',
    'spec.serviceAccountName': spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec?.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.podIPs': (status?.podIPs ?? []).map(({ ip }) => ip).join(','),
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  }),
  columns: podColumns,
});
