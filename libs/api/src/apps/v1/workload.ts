import type { LabelSelector, PodTemplateSpec } from '../../../gen/types.ts';
import { checkPodTemplate } from '../../core/v1/pod-template/pod-spec-validation.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkNonNegative } from '../../validation/fields.ts';
import { checkLabelSelector, isEmptySelector, selectorMatches } from '../../validation/label-selector.ts';

/** What the specs of deployments, replica sets, stateful sets and daemon sets have alike. */
export interface WorkloadSpec {
  readonly selector?: LabelSelector;
  readonly template?: PodTemplateSpec;
}

interface Wording {
  /** In "empty selector is invalid for …". */
  readonly selectorOf: string;
  /** In "activeDeadlineSeconds in … is not Supported". */
  readonly deadlineIn: string;
  /** Of a selector that cannot be read. */
  readonly unreadable?: string;
}

/** The selector is there, says something, and selects the template's pods, which run for ever. */
export function checkWorkload(spec: WorkloadSpec, { at, wording }: { at: FieldPath; wording: Wording }): void {
  const { selector, template } = spec;
  const path = at.child('selector');
  const before = at.errors.length;
  if (selector) checkLabelSelector(selector, path);
  const isReadable = at.errors.length === before;
  if (!selector) path.required();
  else if (isEmptySelector(selector)) path.invalid(selector, `empty selector is invalid for ${wording.selectorOf}`);
  if (isReadable) checkTemplate(template, { at: at.child('template'), selector, wording });
  else path.invalid(selector, wording.unreadable ?? 'invalid label selector');
}

/** What is missing selects nothing, what is empty selects everything. */
export function checkTemplateLabels(template: PodTemplateSpec | undefined, { at, selector }: { at: FieldPath; selector: LabelSelector | undefined }): void {
  const labels = template?.metadata?.labels;
  if (!selector || !selectorMatches(selector, labels)) at.child('metadata').child('labels').invalid(labels ?? null, '`selector` does not match template `labels`');
}

/** Pods that end by themselves are for jobs. */
export function checkRunsForever(template: PodTemplateSpec | undefined, { at, owner }: { at: FieldPath; owner: string }): void {
  const spec = at.child('spec');
  const { restartPolicy: policy, activeDeadlineSeconds: deadline } = template?.spec ?? {};
  if (policy !== undefined && policy !== 'Always') spec.child('restartPolicy').notSupported(policy, ['Always']);
  if (deadline !== undefined) spec.child('activeDeadlineSeconds').forbidden(`activeDeadlineSeconds in ${owner} is not Supported`);
}

function checkTemplate(template: PodTemplateSpec | undefined, { at, selector, wording }: { at: FieldPath; selector: LabelSelector | undefined; wording: Wording }): void {
  if (!template) return at.required();
  checkTemplateLabels(template, { at, selector });
  checkPodTemplate(template, at);
  checkRunsForever(template, { at, owner: wording.deadlineIn });
}

/** A strategy that is not known is shown as upstream's internal type has it. */
export const shownStrategy = (strategy: { readonly type?: string; readonly rollingUpdate?: object } | undefined): object => ({ Type: strategy?.type ?? '', RollingUpdate: strategy?.rollingUpdate ?? null });

/** Counters of a status: none negative, none above `replicas`. */
export function checkReplicaCounts(status: object, { at, below, ready = 'readyReplicas' }: { at: FieldPath; below: readonly string[]; ready?: string }): void {
  const counts = status as Readonly<Record<string, number | undefined>>;
  const names = ['replicas', ...below, 'observedGeneration'];
  for (const name of names) checkNonNegative(counts[name], at.child(name));
  for (const name of below) {
    if ((counts[name] ?? 0) > (counts.replicas ?? 0)) at.child(name).invalid(counts[name], 'cannot be greater than status.replicas');
  }
  if ((counts.availableReplicas ?? 0) > (counts.readyReplicas ?? 0)) {
    at.child('availableReplicas').invalid(counts.availableReplicas, `cannot be greater than ${ready}`);
  }
}

export function checkCollisionCount(change: { value: number | undefined; old: number | undefined }, at: FieldPath): void {
  checkNonNegative(change.value, at);
  if (change.old !== undefined && (change.value ?? 0) < change.old) at.invalid(change.value ?? 0, 'cannot be decremented');
}
