import type { PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../../gen/types.ts';
import { type Quantity, compareQuantity, parseQuantity, quantityOf, zeroQuantity } from '@orrery/apimachinery';
import type { KindDescriptor } from '../kind.ts';
import { type Amounts, podAmounts } from './pod-resources.ts';

const one = quantityOf(1);
const count = (n: number): Quantity => quantityOf(n);

/** Kinds that have quota names from before `count/…`. */
const legacyCounts = new Set(['pods', 'services', 'replicationcontrollers', 'secrets', 'configmaps', 'persistentvolumeclaims', 'resourcequotas', 'resourceclaims']);

/** `count/deployments.apps`, `count/pods`. */
export const countName = (kind: Pick<KindDescriptor, 'group' | 'resource'>): string => `count/${kind.group ? `${kind.resource}.${kind.group}` : kind.resource}`;

function podCompute(pod: Pod): Amounts {
  const out: Amounts = {};
  for (const [name, value] of Object.entries(podAmounts(pod, 'requests'))) {
    if (['cpu', 'memory', 'ephemeral-storage'].includes(name)) out[name] = value;
    if (name.startsWith('hugepages-')) out[name] = value;
    out[`requests.${name}`] = value;
  }
  for (const [name, value] of Object.entries(podAmounts(pod, 'limits'))) out[`limits.${name}`] = value;
  return out;
}

/** A pod that has ended takes nothing but its place in `count/pods`, nor does one that is overdue by another grace period. */
function podEnded(pod: Pod, nowMs: number): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {};
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return true;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds !== undefined && Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000 < nowMs;
}

function roundedUp(amount: Quantity): Quantity {
  const over = amount.nanos % one.nanos;
  return over === 0n ? amount : { ...amount, nanos: amount.nanos - over + one.nanos };
}

/** In whole bytes, since quotas are; of a claim that has been given more than it now asks for, what it was given. */
function claimedStorage({ spec, status }: PersistentVolumeClaim): Quantity {
  const requested = spec?.resources?.requests?.['storage'];
  if (requested === undefined) return zeroQuantity;
  const [asked, allocated] = [requested, status?.allocatedResources?.['storage'] ?? '0'].map((amount) => parseQuantity(amount));
  const larger = compareQuantity(allocated ?? zeroQuantity, asked ?? zeroQuantity) > 0 ? allocated : asked;
  return roundedUp(larger ?? zeroQuantity);
}

function claimUsage(claim: PersistentVolumeClaim): Amounts {
  const requested = claimedStorage(claim);
  const storageClass = claim.spec?.storageClassName ?? claim.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? '';
  const prefix = `${storageClass}.storageclass.storage.k8s.io/`;
  return {
    'requests.storage': requested,
    ...(storageClass ? { [`${prefix}requests.storage`]: requested, [`${prefix}persistentvolumeclaims`]: one } : {}),
  };
}

function serviceUsage(service: Service): Amounts {
  const { type, ports = [], allocateLoadBalancerNodePorts } = service.spec ?? {};
  const balanced = type === 'LoadBalancer';
  const nodePorts = type === 'NodePort' ? ports.length : balanced ? (allocateLoadBalancerNodePorts === false ? ports.filter((port) => port.nodePort).length : ports.length) : 0;
  return { 'services.loadbalancers': count(balanced ? 1 : 0), 'services.nodeports': count(nodePorts) };
}

/** What one object takes of every quota name that could count it. */
export function objectUsage(kind: Pick<KindDescriptor, 'group' | 'resource'>, object: unknown, nowMs: number): Amounts {
  const counted: Amounts = { [countName(kind)]: one };
  if (kind.group === '' && kind.resource === 'pods') return podEnded(object as Pod, nowMs) ? counted : { ...counted, pods: one, ...podCompute(object as Pod) };
  if (legacyCounts.has(kind.resource) && (kind.group === '' || kind.resource === 'resourceclaims')) counted[kind.resource] = one;
  if (kind.group === '' && kind.resource === 'persistentvolumeclaims') return { ...counted, ...claimUsage(object as PersistentVolumeClaim) };
  if (kind.group === '' && kind.resource === 'services') return { ...counted, ...serviceUsage(object as Service) };
  return counted;
}

function isBestEffort(pod: Pod): boolean {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const sets = [...containers.map((container) => container.resources), pod.spec?.resources];
  return sets.every((resources) => !['cpu', 'memory'].some((name) => resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined));
}

function crossesNamespaces(pod: Pod): boolean {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
  ]);
  return terms.some((term) => term?.namespaces?.length || term?.namespaceSelector !== undefined);
}

/** A requirement on what an object is in, as scope selectors have it. */
export interface ScopeTerm {
  readonly scopeName?: string;
  readonly operator?: string;
  readonly values?: readonly string[];
}

function className(term: ScopeTerm, name: string): boolean {
  switch (term.operator) {
    case 'In':
      return (term.values ?? []).includes(name);
    case 'NotIn':
      return !(term.values ?? []).includes(name);
    case 'DoesNotExist':
      return name === '';
    default:
      return name !== '';
  }
}

/** The classes a claim has, is to have, and is being changed to. */
function attributesClasses({ spec, status }: PersistentVolumeClaim): string[] {
  return [spec?.volumeAttributesClassName, status?.currentVolumeAttributesClassName, status?.modifyVolumeStatus?.targetVolumeAttributesClassName].filter((name): name is string => Boolean(name));
}

function hasAttributesClass(term: ScopeTerm, claim: PersistentVolumeClaim): boolean {
  const names = attributesClasses(claim);
  return names.length ? names.some((name) => className(term, name)) : className(term, '');
}

function inScope(term: ScopeTerm, kind: Pick<KindDescriptor, 'resource'>, object: unknown): boolean {
  if (term.scopeName === 'VolumeAttributesClass') return kind.resource === 'persistentvolumeclaims' && hasAttributesClass(term, object as PersistentVolumeClaim);
  if (kind.resource !== 'pods') return false;
  const pod = object as Pod;
  switch (term.scopeName) {
    case 'Terminating':
      return pod.spec?.activeDeadlineSeconds !== undefined && pod.spec.activeDeadlineSeconds >= 0;
    case 'NotTerminating':
      return !(pod.spec?.activeDeadlineSeconds !== undefined && pod.spec.activeDeadlineSeconds >= 0);
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'PriorityClass':
      return className(term, pod.spec?.priorityClassName ?? '');
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(pod);
    default:
      return false;
  }
}

/** The scopes of a quota, named or by selector. */
export function scopeTerms({ spec }: ResourceQuota): ScopeTerm[] {
  return [...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })), ...((spec?.scopeSelector?.matchExpressions ?? []) as ScopeTerm[])];
}

/** Those of the requirements that the object meets. */
export function matchingScopes(terms: readonly ScopeTerm[], kind: Pick<KindDescriptor, 'resource'>, object: unknown): ScopeTerm[] {
  return terms.filter((term) => inScope(term, kind, object));
}

/** Does the quota count the object? A quota without scopes counts all. */
export function quotaApplies(quota: ResourceQuota, kind: Pick<KindDescriptor, 'group' | 'resource'>, object: unknown): boolean {
  return scopeTerms(quota).every((term) => inScope(term, kind, object));
}

/** Compute resources that a quota bounds and some container leaves open: `must specify` in upstream's words. */
export function unspecified(hard: readonly string[], pod: Pod): string[] {
  const wanted = hard.filter((name) => /^(cpu|memory|ephemeral-storage|requests\.(cpu|memory|ephemeral-storage)|limits\.(cpu|memory|ephemeral-storage))$/.test(name));
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return wanted.sort().flatMap((name) => {
    const which = name.startsWith('limits.') ? 'limits' : 'requests';
    const resource = name.replace(/^(requests|limits)\./, '');
    if (pod.spec?.resources?.[which]?.[resource] !== undefined) return [];
    const missing = containers.filter((container) => container.resources?.[which]?.[resource] === undefined).map((container) => container.name);
    return missing.length ? [`${name} for: ${[...new Set(missing)].sort().join(',')}`] : [];
  });
}
