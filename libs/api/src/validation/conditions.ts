import type { Condition } from '../../gen/types.ts';
import { type FieldPath, indexed } from './field-path.ts';
import { qualifiedName, regexMessage, type StringRule } from './names.ts';

const statuses = ['False', 'True', 'Unknown'];
const maxReasonBytes = 1024;
const maxMessageBytes = 32 * 1024;
const reasonFormat = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const reasonPattern = new RegExp(`^${reasonFormat}$`);

const conditionReason: StringRule = (value) => {
  const text = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
  return reasonPattern.test(value) ? [] : [regexMessage(text, reasonFormat, 'my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB')];
};

function checkCondition(condition: Condition, at: FieldPath): void {
  const { type = '', status = '', observedGeneration = 0, lastTransitionTime, reason = '', message = '' } = condition;
  at.child('type').matches(type, qualifiedName);
  if (!statuses.includes(status)) at.child('status').notSupported(status, statuses);
  if (observedGeneration < 0) at.child('observedGeneration').invalid(observedGeneration, 'must be greater than or equal to zero');
  if (!lastTransitionTime) at.child('lastTransitionTime').required('must be set');
  if (!reason) at.child('reason').required('must be set');
  else at.child('reason').matches(reason, conditionReason);
  if (Buffer.byteLength(reason) > maxReasonBytes) at.child('reason').tooLong(reason, maxReasonBytes);
  if (Buffer.byteLength(message) > maxMessageBytes) at.child('message').tooLong(message, maxMessageBytes);
}

/** metav1.Condition lists, as upstream's ValidateConditions judges them. */
export function checkConditions(conditions: readonly Condition[] | undefined, at: FieldPath): void {
  const types = new Set<string>();
  for (const [i, condition] of indexed(conditions)) {
    if (types.has(condition.type)) at.at(i).child('type').duplicate(condition.type);
    types.add(condition.type);
    checkCondition(condition, at.at(i));
  }
}
