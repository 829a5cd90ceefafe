import type { JobSpec, JobTemplateSpec } from '../../../../gen/types.ts';
import { defaultPodTemplate } from '../../../core/v1/pod-template/defaults.ts';
import { checkPodTemplate } from '../../../core/v1/pod-template/pod-spec-validation.ts';
import { checkDomainPrefixedPath } from '../../../validation/domain-path.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkNonNegative, maxInt32 } from '../../../validation/fields.ts';
import { checkLabelSelector, selectorMatches } from '../../../validation/label-selector.ts';
import { checkPodFailurePolicy } from './pod-failure-policy.ts';
import { checkSuccessPolicy } from './success-policy.ts';

/** Defaults of a job's spec as templates of cron jobs have it too. */
export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : maxInt32;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  for (const rule of spec.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  defaultPodTemplate(spec.template);
}

const maxIndexed = 100_000;
const manyCompletions = 100_000;
/** Of parallelism and failed indexes, where completions are many. */
const maxWithMany = 10_000;
const maxManagedByBytes = 63;

function checkIndexed(spec: JobSpec, at: FieldPath): void {
  const { completions, parallelism = 0, maxFailedIndexes: failed, backoffLimitPerIndex: perIndex } = spec;
  if (completions === undefined) at.child('completions').required('when completion mode is Indexed');
  if (parallelism > maxIndexed) at.child('parallelism').invalid(parallelism, `must be less than or equal to ${maxIndexed} when completion mode is Indexed`);
  const failedAt = at.child('maxFailedIndexes');
  if (completions !== undefined && failed !== undefined && failed > completions) failedAt.invalid(failed, 'must be less than or equal to completions');
  if (failed !== undefined && failed > maxIndexed) failedAt.invalid(failed, `must be less than or equal to ${maxIndexed}`);
  if ((completions ?? 0) <= manyCompletions || perIndex === undefined) return;
  const where = `when completions are above ${manyCompletions} and used with backoff limit per index`;
  if (failed === undefined) failedAt.required(`must be specified when completions is above ${manyCompletions}`);
  if (parallelism > maxWithMany) at.child('parallelism').invalid(parallelism, `must be less than or equal to ${maxWithMany} ${where}`);
  if (failed !== undefined && failed > maxWithMany) failedAt.invalid(failed, `must be less than or equal to ${maxWithMany} ${where}`);
}

function checkCompletionMode(spec: JobSpec, at: FieldPath): void {
  const { completionMode: mode = 'NonIndexed' } = spec;
  if (mode === 'Indexed') return checkIndexed(spec, at);
  if (mode !== 'NonIndexed') return at.child('completionMode').notSupported(mode, ['NonIndexed', 'Indexed']);
  for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) if (spec[name] !== undefined) at.child(name).invalid(spec[name], 'requires indexed completion mode');
}

function checkCounts(spec: JobSpec, at: FieldPath): void {
  for (const name of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished', 'backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
    checkNonNegative(spec[name], at.child(name));
  }
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) at.child('backoffLimitPerIndex').required('when maxFailedIndexes is specified');
  if (spec.managedBy === undefined) return;
  checkDomainPrefixedPath(spec.managedBy, at.child('managedBy'));
  if (Buffer.byteLength(spec.managedBy) > maxManagedByBytes) at.child('managedBy').tooLong(spec.managedBy, maxManagedByBytes);
}

function checkRestartPolicy(spec: JobSpec, at: FieldPath): void {
  const policy = spec.template?.spec?.restartPolicy;
  if (!policy || policy === 'Always') at.required('valid values: "OnFailure", "Never"');
  else if (policy !== 'OnFailure' && policy !== 'Never') at.notSupported(policy, ['OnFailure', 'Never']);
  else if (spec.podFailurePolicy && policy !== 'Never') at.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified');
}

/** What jobs and the templates of cron jobs have alike: everything but the selector. */
function checkCommon(spec: JobSpec, at: FieldPath): void {
  checkCounts(spec, at);
  checkCompletionMode(spec, at);
  if (spec.podFailurePolicy) checkPodFailurePolicy(spec, at.child('podFailurePolicy'));
  checkSuccessPolicy(spec, at.child('successPolicy'));
  const replacement = spec.podReplacementPolicy;
  const allowed = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (replacement !== undefined && !allowed.includes(replacement)) at.child('podReplacementPolicy').notSupported(replacement, allowed);
  checkPodTemplate(spec.template, at.child('template'));
  checkRestartPolicy(spec, at.child('template').child('spec').child('restartPolicy'));
}

export function checkJobSpec(spec: JobSpec | undefined, at: FieldPath): void {
  if (!spec) return at.child('template').required();
  checkCommon(spec, at);
  const before = at.errors.length;
  if (!spec.selector) at.child('selector').required();
  else checkLabelSelector(spec.selector, at.child('selector'));
  const isReadable = !spec.selector || at.errors.length === before;
  const labels = spec.template?.metadata?.labels;
  if (isReadable && !(spec.selector && selectorMatches(spec.selector, labels))) {
    at.child('template').child('metadata').child('labels').invalid(labels ?? null, '`selector` does not match template `labels`');
  }
}

/** Jobs of cron jobs always select by what is generated. */
export function checkJobTemplate({ spec }: Partial<JobTemplateSpec>, at: FieldPath): void {
  const path = at.child('spec');
  if (!spec) return path.child('template').required();
  checkCommon(spec, path);
  if (spec.selector) path.child('selector').invalid(spec.selector, '`selector` will be auto-generated');
  if (spec.manualSelector) path.child('manualSelector').notSupported(spec.manualSelector, ['nil', 'false']);
}
