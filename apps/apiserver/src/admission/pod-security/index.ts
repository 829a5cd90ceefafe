import { Namespaces, Pods } from '@orrery/api';
import type { CronJob, Namespace, Pod, PodSpec, PodTemplateSpec } from '@orrery/api/types';
import { forbidden, invalid } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from '../../pipeline/index.ts';
import { subjectOf } from '../match.ts';
import type { CheckedPod } from './baseline.ts';
import { allContainers } from './containers.ts';
import { describe, modes, policyOf, violations } from './policy.ts';

const templateKinds = new Set(['/replicationcontrollers', '/podtemplates', 'apps/deployments', 'apps/replicasets', 'apps/daemonsets', 'apps/statefulsets', 'batch/jobs', 'batch/cronjobs']);
/** A check of a namespace's pods must not hold up the change of its labels. */
const maxPodsChecked = 3000;

const checked = (object: { metadata?: { annotations?: Record<string, string> }; spec?: PodSpec }): CheckedPod | undefined =>
  object.spec && { annotations: object.metadata?.annotations ?? {}, spec: object.spec };

function templateOf({ kind, object }: AdmissionAttributes): CheckedPod | undefined {
  if (kind.resource === 'podtemplates') return object.template && checked(object.template as PodTemplateSpec);
  const template = kind.resource === 'cronjobs' ? (object as CronJob).spec?.jobTemplate?.spec?.template : (object.spec?.template as PodTemplateSpec | undefined);
  return template && checked(template);
}

/** Only what the standards look at can change a verdict: images stand for new code, the rest of a pod's spec is fixed. */
function significant(pod: Pod, old: Pod): boolean {
  const images = (one: Pod): string => JSON.stringify(one.spec ? allContainers(one.spec).map(({ name, image }) => [name, image]) : []);
  const profiles = (one: Pod): string => JSON.stringify(Object.entries(one.metadata?.annotations ?? {}).filter(([key]) => /apparmor|seccomp/.test(key)).sort());
  return images(pod) !== images(old) || profiles(pod) !== profiles(old);
}

/** Enforces on pods, warns and notes on everything that holds one. */
function evaluate(attributes: AdmissionAttributes, namespace: Namespace | undefined, pod: CheckedPod): void {
  const { policy } = policyOf(namespace?.metadata?.labels);
  const isPod = attributes.kind.resource === 'pods';
  const enforced = isPod ? violations(pod, policy.enforce.level) : [];
  if (isPod) attributes.annotate('pod-security.kubernetes.io/enforce-policy', describe(policy.enforce));
  const audited = violations(pod, policy.audit.level);
  if (audited.length) attributes.annotate('pod-security.kubernetes.io/audit-violations', `would violate PodSecurity ${JSON.stringify(describe(policy.audit))}: ${audited.join(', ')}`);
  if (enforced.length) throw forbidden(subjectOf(attributes), `violates PodSecurity ${JSON.stringify(describe(policy.enforce))}: ${enforced.join(', ')}`);
  const warned = violations(pod, policy.warn.level);
  if (warned.length) attributes.warn(`would violate PodSecurity ${JSON.stringify(describe(policy.warn))}: ${warned.join(', ')}`);
}

/** Pods that are there already are not touched by a stricter level, but whoever sets it hears of them. */
function warnOfExisting(attributes: AdmissionAttributes, read: ObjectReader): void {
  const { policy } = policyOf((attributes.object as Namespace).metadata?.labels);
  const before = policyOf((attributes.oldObject as Namespace).metadata?.labels).policy;
  if (policy.enforce.level === 'privileged' || describe(policy.enforce) === describe(before.enforce)) return;
  const byReason = new Map<string, string[]>();
  for (const pod of read.list(Pods, attributes.name).slice(0, maxPodsChecked)) {
    const found = pod.spec ? violations({ annotations: pod.metadata?.annotations ?? {}, spec: pod.spec }, policy.enforce.level) : [];
    if (!found.length) continue;
    const reasons = found.map((text) => text.replace(/ \(.*$/, '')).join(', ');
    byReason.set(reasons, [...(byReason.get(reasons) ?? []), pod.metadata?.name ?? '']);
  }
  if (!byReason.size) return;
  attributes.warn(`existing pods in namespace ${JSON.stringify(attributes.name)} violate the new PodSecurity enforce level ${JSON.stringify(describe(policy.enforce))}`);
  for (const [reasons, names] of [...byReason].sort()) {
    const others = names.length === 1 ? '' : ` (and ${names.length - 1} other ${names.length === 2 ? 'pod' : 'pods'})`;
    attributes.warn(`${names.sort()[0]}${others}: ${reasons}`);
  }
}

function validateNamespace(attributes: AdmissionAttributes, read: ObjectReader): void {
  const { errors } = policyOf((attributes.object as Namespace).metadata?.labels);
  const old = attributes.oldObject as Namespace | undefined;
  const known = new Set(old ? policyOf(old.metadata?.labels).errors.map((error) => error.field + error.message) : []);
  const fresh = errors.filter((error) => !known.has(error.field + error.message));
  if (fresh.length) throw invalid({ group: '', kind: 'Namespace', name: attributes.name }, fresh);
  if (old) warnOfExisting(attributes, read);
}

/** The Pod Security Standards, by namespace labels `pod-security.kubernetes.io/{enforce,audit,warn}`. */
export function podSecurity(read: ObjectReader): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    handles({ kind, operation, subresource }) {
      if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
      const key = `${kind.group}/${kind.resource}`;
      if (key === '/pods') return subresource === '' || subresource === 'ephemeralcontainers';
      return subresource === '' && (key === '/namespaces' || templateKinds.has(key));
    },
    validate(attributes) {
      const { kind, object, oldObject, namespace } = attributes;
      if (kind.resource === 'namespaces') return validateNamespace(attributes, read);
      const space = read.get(Namespaces, { name: namespace });
      const labels = space?.metadata?.labels ?? {};
      if (!modes.some((mode) => labels[`pod-security.kubernetes.io/${mode}`] !== undefined)) return undefined;
      if (kind.resource === 'pods' && oldObject && !significant(object as Pod, oldObject as Pod)) return undefined;
      const pod = kind.resource === 'pods' ? checked(object as Pod) : templateOf(attributes);
      return pod && evaluate(attributes, space, pod);
    },
  };
}
