import { PersistentVolumeClaims, StatefulSets } from '@orrery/api';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '@orrery/api/types';
import { podFromTemplate } from '../pods/pod-control.ts';
import { revisionHashLabel } from '../revisions/revisions.ts';

export const podNameLabel = 'statefulset.kubernetes.io/pod-name';
export const podIndexLabel = 'apps.kubernetes.io/pod-index';

export const firstOrdinal = (set: StatefulSet): number => set.spec?.ordinals?.start ?? 0;
export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata?.name ?? ''}-${ordinal}`;

/** Whether the set, at its present size and start, has a pod of the ordinal. */
export function isInRange(set: StatefulSet, ordinal: number): boolean {
  const at = ordinal - firstOrdinal(set);
  return at >= 0 && at < (set.spec?.replicas ?? 1);
}

/** The ordinal of a pod of this set by its name; undefined for any other name. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const match = /^(.*)-(\d+)$/.exec(pod.metadata?.name ?? '');
  return match && match[1] === set.metadata?.name ? Number(match[2]) : undefined;
}

export const revisionOfPod = (pod: Pod): string => pod.metadata?.labels?.[revisionHashLabel] ?? '';

export function claimName(set: StatefulSet, template: string, ordinal: number): string {
  return `${template}-${podName(set, ordinal)}`;
}

/** The claims that the pod of an ordinal needs. */
export function claimsFor(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    apiVersion: 'v1',
    kind: PersistentVolumeClaims.kind,
    metadata: {
      ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
      name: claimName(set, template.metadata?.name ?? '', ordinal),
      namespace: set.metadata?.namespace ?? '',
      labels: { ...template.metadata?.labels, ...set.spec?.selector?.matchLabels },
    },
    spec: template.spec ?? {},
  }));
}

/** The identity of an ordinal, given to a new pod or back to one that lost it. */
function identified(set: StatefulSet, pod: Pod, ordinal: number): Pod {
  const name = podName(set, ordinal);
  const claims = (set.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata?.name ?? '');
  const volumes = claims.map((claim) => ({ name: claim, persistentVolumeClaim: { claimName: claimName(set, claim, ordinal), readOnly: false } }));
  const others = (pod.spec?.volumes ?? []).filter((volume) => !claims.includes(volume.name ?? ''));
  const { serviceName } = set.spec ?? {};
  return {
    ...pod,
    metadata: { ...pod.metadata, name, labels: { ...pod.metadata?.labels, [podNameLabel]: name, [podIndexLabel]: String(ordinal) } },
    spec: {
      ...(pod.spec ?? { containers: [] }),
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      ...(volumes.length || others.length ? { volumes: [...volumes, ...others] } : {}),
    },
  };
}

/** A new pod of an ordinal at a revision of the template. */
export function newSetPod(set: StatefulSet, ordinal: number, at: { revision: string; template: PodTemplateSpec }): Pod {
  const { generateName: _generated, ...metadata } = podFromTemplate(at.template, StatefulSets, set).metadata ?? {};
  const pod = { ...podFromTemplate(at.template, StatefulSets, set), metadata };
  const made = identified(set, pod, ordinal);
  return { ...made, metadata: { ...made.metadata, labels: { ...made.metadata?.labels, [revisionHashLabel]: at.revision } } };
}

/** The pod with its identity restored, or undefined when it has it. */
export function restoredIdentity(set: StatefulSet, pod: Pod, ordinal: number): Pod | undefined {
  const name = podName(set, ordinal);
  const labels = pod.metadata?.labels ?? {};
  if (labels[podNameLabel] === name && labels[podIndexLabel] === String(ordinal)) return undefined;
  return { ...pod, metadata: { ...pod.metadata, labels: { ...labels, [podNameLabel]: name, [podIndexLabel]: String(ordinal) } } };
}

