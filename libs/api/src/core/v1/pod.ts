import type { Pod } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { dns1123Label } from '../../validation/names.ts';
import { podColumns } from './pod/columns.ts';
import { validatePod } from './pod/create-validation.ts';
import { validateEphemeralContainersUpdate, validatePodResize } from './pod/resize-validation.ts';
import { validatePodStatusUpdate } from './pod/status-validation.ts';
import { acceptEphemeralContainers, acceptResize, annotationsTaken, gracePeriod, keepIdentity, startPod } from './pod/strategy.ts';
import { validatePodUpdate } from './pod/update-validation.ts';
import { defaultPod } from './pod-template/defaults.ts';
import { podSpecWarnings } from './pod-template/warnings.ts';

/** Updates of pods are frequent and rarely a person's: they get no warnings. */
function podWarnings(pod: Pod, old: Pod | undefined): string[] {
  if (old) return [];
  const problems = dns1123Label(pod.metadata?.name ?? '');
  const name = `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${problems.join(' ')}]`;
  const taken = annotationsTaken(pod).map((key) => `metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`);
  return [...taken, ...(problems.length > 0 ? [name] : []), ...podSpecWarnings(pod.spec, { old: undefined, path: 'spec', metadata: pod.metadata })];
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
      prepareForUpdate: acceptEphemeralContainers,
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
      prepareForUpdate: acceptResize,
      validateUpdate: validatePodResize,
    },
  ],
  defaults: defaultPod,
  onCreate: startPod,
  onStatusUpdate: keepIdentity,
  validate: validatePod,
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
    // May be asked for, and is nothing's.
    'status.podIPs': '',
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  }),
  columns: podColumns,
});
