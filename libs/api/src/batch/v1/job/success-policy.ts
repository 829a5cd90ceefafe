import type { JobSpec, SuccessPolicyRule } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkNonNegative } from '../../../validation/fields.ts';
import { readIndexes } from './indexes.ts';

const maxRules = 20;
const maxIndexesBytes = 64 * 1024;

function checkRule({ succeededCount: count, succeededIndexes: indexes }: SuccessPolicyRule, { at, completions }: { at: FieldPath; completions: number }): void {
  if (count === undefined && indexes === undefined) at.required('at least one of succeededCount or succeededIndexes must be specified');
  let total = 0;
  if (indexes !== undefined) {
    const path = at.child('succeededIndexes');
    if (Buffer.byteLength(indexes) > maxIndexesBytes) path.tooLong(indexes, maxIndexesBytes);
    const read = readIndexes(indexes, completions);
    if (read.problem !== undefined) path.invalid(indexes, `error parsing succeededIndexes: ${read.problem}`);
    else total = read.total;
  }
  if (count === undefined) return;
  const path = at.child('succeededCount');
  checkNonNegative(count, path);
  if (count > completions) path.invalid(count, `must be less than or equal to ${completions} (the number of specified completions)`);
  if (indexes !== undefined && count > total) path.invalid(count, `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`);
}

export function checkSuccessPolicy(spec: JobSpec, at: FieldPath): void {
  const policy = spec.successPolicy;
  if (!policy) return;
  if (spec.completionMode !== 'Indexed') return at.invalid(policy, 'requires indexed completion mode');
  const rules = policy.rules ?? [];
  const path = at.child('rules');
  if (rules.length === 0) path.required('at least one rules must be specified when the successPolicy is specified');
  if (rules.length > maxRules) path.tooMany(rules.length, maxRules);
  for (const [i, rule] of rules.entries()) checkRule(rule, { at: path.at(i), completions: spec.completions ?? 0 });
}
