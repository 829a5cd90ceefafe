import type { Pod } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { findProblems } from '../../validation/field-path.ts';
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
  pod.metadata = { ...pod.metadata, generation: semanticEqual(spec, old.spec) ? generation : generation + 1 };
}

/** Time to end gracefully: as asked or as the spec says, none for pods that never ran or are over. */
function gracePeriod(pod: Pod, requested: number | undefined): number {
  const phase = pod.status?.phase;
  if (!pod.spec?.nodeName || phase === 'Failed' || phase === 'Succeeded') return 0;
  const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return seconds < 0 ? 1 : seconds;
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
            spec.containers = wanted.containers;
            if (wanted.initContainers) spec.initContainers = wanted.initContainers;
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
  warnings: (pod, old) => podSpecWarnings(pod.spec, { old: old?.spec, path: 'spec' }),
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
