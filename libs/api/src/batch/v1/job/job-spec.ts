import type { JobSpec, PodFailurePolicy, SuccessPolicy } from '../../../../gen/types.ts';
import { defaultPodTemplate } from '../../../core/v1/pod-template/defaults.ts';
import { checkPodTemplate } from '../../../core/v1/pod-template/pod-spec-validation.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkNonNegative, maxInt32 } from '../../../validation/fields.ts';
import { checkLabelSelector } from '../../../validation/label-selector.ts';

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

function checkIndexed(spec: JobSpec, at: FieldPath): void {
  at.child('completionMode').oneOf(spec.completionMode, ['Indexed', 'NonIndexed']);
  const perIndex = spec.backoffLimitPerIndex;
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined) at.child('completions').required(`when completion mode is Indexed`);
    if ((spec.parallelism ?? 0) > maxIndexed) at.child('parallelism').invalid(spec.parallelism, `must be less than or equal to ${maxIndexed} when completion mode is Indexed`);
  } else if (perIndex !== undefined) at.child('backoffLimitPerIndex').invalid(perIndex, 'requires indexed completion mode');
  checkNonNegative(perIndex, at.child('backoffLimitPerIndex'));
  const failed = spec.maxFailedIndexes;
  checkNonNegative(failed, at.child('maxFailedIndexes'));
  if (failed === undefined) return;
  if (perIndex === undefined) at.child('backoffLimitPerIndex').required('when maxFailedIndexes is specified');
  if (spec.completions !== undefined && failed > spec.completions) at.child('maxFailedIndexes').invalid(failed, 'must be less than or equal to completions');
}

function checkFailurePolicy(policy: PodFailurePolicy, { spec, at }: { spec: JobSpec; at: FieldPath }): void {
  const names = new Set([...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])].map((container) => container.name));
  const rules = policy.rules ?? [];
  if (rules.length > 20) at.child('rules').tooMany(rules.length, 20);
  for (const [i, rule] of rules.entries()) {
    const path = at.child('rules').at(i);
    path.child('action').requiredOneOf(rule.action, ['Count', 'FailIndex', 'FailJob', 'Ignore']);
    const codes = rule.onExitCodes;
    if (codes) {
      const codesAt = path.child('onExitCodes');
      codesAt.child('operator').requiredOneOf(codes.operator, ['In', 'NotIn']);
      if (codes.containerName !== undefined && !names.has(codes.containerName)) {
        codesAt.child('containerName').invalid(codes.containerName, 'must be one of the container or initContainer names in the pod template');
      }
      const values = codes.values ?? [];
      if (values.length < 1) codesAt.child('values').invalid(values, 'at least one value is required');
      else if (values.length > 255) codesAt.child('values').tooMany(values.length, 255);
      for (const [v, value] of values.entries()) {
        if (codes.operator === 'In' && Number(value) === 0) codesAt.child('values').at(v).invalid(value, 'must not be 0 for the In operator');
      }
    }
    const hasConditions = (rule.onPodConditions ?? []).length > 0;
    if (codes && hasConditions) path.invalid('', 'specifying both OnExitCodes and OnPodConditions is not supported');
    if (!codes && !hasConditions) path.invalid('', 'specifying one of OnExitCodes and OnPodConditions is required');
  }
}

function checkSuccessPolicy(policy: SuccessPolicy, { spec, at }: { spec: JobSpec; at: FieldPath }): void {
  if (spec.completionMode !== 'Indexed') at.invalid(policy, 'requires indexed completion mode');
  const rules = policy.rules ?? [];
  if (rules.length === 0) at.child('rules').required('at least one rules must be specified when the successPolicy is specified');
  if (rules.length > 20) at.child('rules').tooMany(rules.length, 20);
  for (const [i, rule] of rules.entries()) {
    const path = at.child('rules').at(i);
    if (rule.succeededCount === undefined && rule.succeededIndexes === undefined) {
      path.required('at least one of succeededCount or succeededIndexes must be specified');
    }
    const count = rule.succeededCount;
    checkNonNegative(count, path.child('succeededCount'));
    if (count !== undefined && spec.completions !== undefined && count > spec.completions) {
      path.child('succeededCount').invalid(count, `must be less than or equal to ${spec.completions} (the number of specified completions)`);
    }
  }
}

/** Every check of a job's spec but the selector's. */
export function checkJobSpec(spec: JobSpec | undefined, at: FieldPath): void {
  if (!spec) return at.child('template').required();
  for (const name of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'] as const) {
    checkNonNegative(spec[name], at.child(name));
  }
  checkIndexed(spec, at);
  if (spec.podFailurePolicy) checkFailurePolicy(spec.podFailurePolicy, { spec, at: at.child('podFailurePolicy') });
  if (spec.successPolicy) checkSuccessPolicy(spec.successPolicy, { spec, at: at.child('successPolicy') });
  const replacement = spec.podReplacementPolicy;
  const replacements = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  at.child('podReplacementPolicy').oneOf(replacement, replacements);
  checkPodTemplate(spec.template, at.child('template'));
  const policy = spec.template?.spec?.restartPolicy;
  const policyAt = at.child('template').child('spec').child('restartPolicy');
  if (policy !== 'OnFailure' && policy !== 'Never') policyAt.required('valid values: "OnFailure", "Never"');
  else if (spec.podFailurePolicy && policy !== 'Never') policyAt.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified');
}

export function checkJobSelector(spec: JobSpec | undefined, at: FieldPath): void {
  if (!spec?.selector) at.required();
  else checkLabelSelector(spec.selector, at);
}
