import type { LabelSelector, LabelSelectorRequirement } from '../../gen/types.ts';
import { type FieldPath, indexed } from './field-path.ts';
import { checkLabels } from './fields.ts';
import { labelValue, qualifiedName } from './names.ts';

export function checkLabelSelector(selector: LabelSelector | undefined, at: FieldPath): void {
  if (!selector) return;
  checkLabels(selector.matchLabels, at.child('matchLabels'));
  for (const [i, requirement] of indexed(selector.matchExpressions)) {
    checkRequirement(requirement, at.child('matchExpressions').at(i));
  }
}

export const needsValuesMessage = "must be specified when `operator` is 'In' or 'NotIn'";
export const noValuesMessage = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";

function checkRequirement(requirement: LabelSelectorRequirement, at: FieldPath): void {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) at.child('values').required(needsValuesMessage);
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) at.child('values').forbidden(noValuesMessage);
      break;
    default:
      at.child('operator').invalid(requirement.operator, 'not a valid selector operator');
  }
  at.child('key').matches(requirement.key, qualifiedName);
  for (const [i, value] of values.entries()) at.child('values').at(i).matches(value, labelValue);
}

export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

export function selectorMatches(selector: LabelSelector | undefined, labels: Record<string, string> | undefined): boolean {
  const have = labels ?? {};
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) if (have[key] !== value) return false;
  return (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = have[key];
    if (operator === 'In') return value !== undefined && values.includes(value);
    if (operator === 'NotIn') return value === undefined || !values.includes(value);
    return operator === 'Exists' ? value !== undefined : value === undefined;
  });
}
