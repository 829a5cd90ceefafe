import { Namespaces, Pods } from '@orrery/api';
import type { CronJob, Namespace, Pod, PodSpec, PodTemplateSpec } from '@orrery/api/types';
import { forbidden, invalid } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from '../../pipeline/index.ts';
import { subjectOf } from '../match.ts';
import type { CheckedPod } from './baseline.ts';
import { allContainers } from './containers.ts';
import type { PodSecurityMeters } from './meters.ts';
import { type LevelVersion, describe, levelRank, modes, policyOf, violations } from './policy.ts';
import { type PodSecuritySettings, defaultSettings } from './settings.ts';

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

/** One pod or template in the light of one namespace. */
class Evaluation {
  private readonly attributes: AdmissionAttributes;
  private readonly settings: PodSecuritySettings;
  private readonly meters: PodSecurityMeters | undefined;

  constructor(attributes: AdmissionAttributes, { settings, meters }: { settings: PodSecuritySettings; meters: PodSecurityMeters | undefined }) {
    this.attributes = attributes;
    this.settings = settings;
    this.meters = meters;
  }

  /** Enforces on pods, warns and notes on everything that holds one. */
  run(labels: Readonly<Record<string, string>> | undefined, pod: CheckedPod): void {
    const { attributes } = this;
    if (pod.spec.runtimeClassName && this.settings.exempt.runtimeClasses.includes(pod.spec.runtimeClassName)) return this.exempt('runtimeClass');
    const { policy, errors } = policyOf(labels, this.settings.defaults);
    if (errors.length) attributes.annotate('pod-security.kubernetes.io/error', `Failed to parse policy: ${errors.map(({ field, message }) => `${field}: ${message}`).join(', ')}`);
    const isPod = attributes.kind.resource === 'pods';
    const enforced = isPod ? violations(pod, policy.enforce) : [];
    if (isPod) {
      attributes.annotate('pod-security.kubernetes.io/enforce-policy', describe(policy.enforce));
      this.meters?.evaluated(attributes, { decision: enforced.length ? 'deny' : 'allow', mode: 'enforce', policy: policy.enforce });
    }
    const audited = violations(pod, policy.audit);
    if (audited.length) this.meters?.evaluated(attributes, { decision: 'deny', mode: 'audit', policy: policy.audit });
    if (audited.length) attributes.annotate('pod-security.kubernetes.io/audit-violations', `would violate PodSecurity ${JSON.stringify(describe(policy.audit))}: ${audited.join(', ')}`);
    if (enforced.length) throw forbidden(subjectOf(attributes), `violates PodSecurity ${JSON.stringify(describe(policy.enforce))}: ${enforced.join(', ')}`);
    const warned = violations(pod, policy.warn);
    if (warned.length) this.meters?.evaluated(attributes, { decision: 'deny', mode: 'warn', policy: policy.warn });
    if (warned.length) attributes.warn(`would violate PodSecurity ${JSON.stringify(describe(policy.warn))}: ${warned.join(', ')}`);
  }

  /** Is the whole request none of our business? */
  isExempt(): boolean {
    const { namespace, user } = this.attributes;
    const { namespaces, usernames } = this.settings.exempt;
    if (namespaces.includes(namespace)) this.exempt('namespace');
    else if (usernames.includes(user.username)) this.exempt('user');
    else return false;
    return true;
  }

  private exempt(why: string): void {
    this.meters?.exempted(this.attributes);
    this.attributes.annotate('pod-security.kubernetes.io/exempt', why);
  }
}

/** What the pods of a namespace would be told at a level: reasons, and the names of those they hold for. */
function existing(pods: readonly Pod[], enforce: LevelVersion, { exempt }: PodSecuritySettings): Map<string, string[]> {
  const byReason = new Map<string, string[]>();
  for (const { metadata, spec } of pods) {
    if (!spec || (spec.runtimeClassName && exempt.runtimeClasses.includes(spec.runtimeClassName))) continue;
    const found = violations({ annotations: metadata?.annotations ?? {}, spec }, enforce);
    if (!found.length) continue;
    const reasons = found.map((text) => text.replace(/ \(.*$/, '')).join(', ');
    byReason.set(reasons, [...(byReason.get(reasons) ?? []), metadata?.name ?? '']);
  }
  return byReason;
}

/** Pods that are there already are not touched by a stricter level, but whoever sets it hears of them. */
function warnOfExisting(attributes: AdmissionAttributes, read: ObjectReader, settings: PodSecuritySettings): void {
  const { enforce } = policyOf((attributes.object as Namespace).metadata?.labels, settings.defaults).policy;
  const before = policyOf((attributes.oldObject as Namespace).metadata?.labels, settings.defaults).policy.enforce;
  if (enforce.level === 'privileged' || (enforce.version === before.version && levelRank(enforce) <= levelRank(before)) || settings.exempt.namespaces.includes(attributes.name)) return;
  const pods = read.list(Pods, attributes.name);
  const byReason = existing(pods.slice(0, maxPodsChecked), enforce, settings);
  if (pods.length > maxPodsChecked) attributes.warn(`new PodSecurity enforce level only checked against the first ${maxPodsChecked} of ${pods.length} existing pods`);
  if (!byReason.size) return;
  attributes.warn(`existing pods in namespace ${JSON.stringify(attributes.name)} violate the new PodSecurity enforce level ${JSON.stringify(describe(enforce))}`);
  const lines = [...byReason].map(([reasons, names]) => {
    const others = names.length === 1 ? '' : ` (and ${names.length - 1} other ${names.length === 2 ? 'pod' : 'pods'})`;
    return `${names.sort()[0]}${others}: ${reasons}`;
  });
  for (const line of lines.sort()) attributes.warn(line);
}

function validateNamespace(attributes: AdmissionAttributes, read: ObjectReader, settings: PodSecuritySettings): void {
  const { errors } = policyOf((attributes.object as Namespace).metadata?.labels);
  const old = attributes.oldObject as Namespace | undefined;
  const known = new Set(old ? policyOf(old.metadata?.labels).errors.map((error) => error.field + error.message) : []);
  const fresh = errors.filter((error) => !known.has(error.field + error.message));
  if (fresh.length) throw invalid({ group: '', kind: 'Namespace', name: attributes.name }, fresh);
  if (old) warnOfExisting(attributes, read, settings);
}

/** The Pod Security Standards, by namespace labels `pod-security.kubernetes.io/{enforce,audit,warn}` and what the configuration says besides. */
export function podSecurity(read: ObjectReader, settings: PodSecuritySettings = defaultSettings, meters?: PodSecurityMeters): AdmissionPlugin {
  const isIdle = modes.every((mode) => settings.defaults[mode].level === 'privileged');
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
      if (kind.resource === 'namespaces') return validateNamespace(attributes, read, settings);
      const labels = read.get(Namespaces, { name: namespace })?.metadata?.labels;
      if (isIdle && !modes.some((mode) => labels?.[`pod-security.kubernetes.io/${mode}`] !== undefined)) {
        if (kind.resource === 'pods') meters?.evaluated(attributes, { decision: 'allow', mode: 'enforce', policy: settings.defaults.enforce });
        return undefined;
      }
      const evaluation = new Evaluation(attributes, { settings, meters });
      if (evaluation.isExempt()) return undefined;
      if (kind.resource === 'pods' && oldObject && !significant(object as Pod, oldObject as Pod)) return undefined;
      const pod = kind.resource === 'pods' ? checked(object as Pod) : templateOf(attributes);
      return pod && evaluation.run(labels, pod);
    },
  };
}
