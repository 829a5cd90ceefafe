import type { MatchCondition } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';
import { ExpressionCheck } from '../expression-check.ts';

const maxConditions = 64;

/** matchConditions of webhooks and policies. They see no variables of the policy. */
export function checkMatchConditions(conditions: readonly MatchCondition[] | undefined, at: FieldPath, { hasParams }: { hasParams: boolean }): void {
  if (!conditions?.length) return;
  if (conditions.length > maxConditions) at.tooMany(conditions.length, maxConditions);
  const check = new ExpressionCheck({ hasParams, hasVariables: false, hasPatchTypes: false });
  const names = new Set<string>();
  for (const [i, { name = '', expression = '' }] of conditions.entries()) {
    const trimmed = expression.trim();
    if (!trimmed) at.at(i).child('expression').required();
    else check.compile('matchCondition', trimmed, at.at(i).child('expression'));
    at.at(i).child('name').requires(name, qualifiedName);
    if (name && names.has(name)) at.at(i).child('name').duplicate(name);
    names.add(name);
  }
}
