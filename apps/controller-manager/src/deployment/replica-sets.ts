import type { Deployment, PodTemplateSpec, ReplicaSet } from '@orrery/api/types';
import { canonicalJson } from '../pods/template-hash.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
export const hashLabel = 'pod-template-hash';

/** Annotations of a Deployment that its ReplicaSets do not inherit. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
]);
const maxHistoryLength = 2000;

export const specReplicas = (object: ReplicaSet | Deployment): number => object.spec?.replicas ?? 1;

export function totalReplicas(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + specReplicas(set), 0);
}

const asRevision = (text = ''): bigint => (/^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : 0n);

/** The revision of an object; 0 of one that has none, or one that is no number. All 64 bits count, as they do for the original. */
export function revisionOf(object: ReplicaSet | Deployment): bigint {
  return asRevision(object.metadata?.annotations?.[revisionAnnotation]);
}

const templateKeys = new WeakMap<PodTemplateSpec, string>();
const noTemplate: PodTemplateSpec = {};

/** The template without the hash label, which tells ReplicaSets of one Deployment apart. A change of status leaves the template what it is. */
export function templateKey(template: PodTemplateSpec = noTemplate): string {
  let key = templateKeys.get(template);
  if (key === undefined) {
    const { [hashLabel]: _hash, ...labels } = template.metadata?.labels ?? {};
    key = canonicalJson({ ...template, metadata: { ...template.metadata, labels, creationTimestamp: undefined } });
    templateKeys.set(template, key);
  }
  return key;
}

export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}

/** The oldest ReplicaSet of the Deployment's own template. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateKey(deployment.spec?.template);
  return [...sets].sort(byCreation).find((set) => templateKey(set.spec?.template) === wanted);
}

/** The annotations a ReplicaSet gets from its Deployment; the revision only ever grows, the earlier ones are remembered. */
export function annotationsFor(deployment: Deployment, set: ReplicaSet | undefined, revision: bigint): Record<string, string> {
  const out: Record<string, string> = { ...set?.metadata?.annotations };
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) if (!ownAnnotations.has(key)) out[key] = value;
  const old = out[revisionAnnotation];
  if (asRevision(old) < revision) {
    out[revisionAnnotation] = String(revision);
    if (old !== undefined) {
      let history = [...(out[revisionHistoryAnnotation] ?? '').split(','), old].filter((part) => part !== '');
      while (history.join(',').length > maxHistoryLength) history = history.slice(1);
      out[revisionHistoryAnnotation] = history.join(',');
    }
  }
  return out;
}
