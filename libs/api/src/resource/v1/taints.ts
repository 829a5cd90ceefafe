import type { DeviceTaint, DeviceToleration } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkItems } from '../../validation/lists.ts';
import { labelValue, qualifiedName } from '../../validation/names.ts';

const effects = ['NoExecute', 'NoSchedule', 'None'];
const operators = ['Equal', 'Exists'];
const maxTolerations = 16;

/** Taints say since when, to the second. */
export function stampTaint(taint: DeviceTaint, nowMs: number): void {
  taint.timeAdded ??= `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}

/** An effect that was there before may stay, known or not. */
export function checkTaint(taint: DeviceTaint | undefined, { at, old }: { at: FieldPath; old?: DeviceTaint | undefined }): void {
  at.child('key').matches(taint?.key, qualifiedName);
  if (taint?.value) at.child('value').matches(taint.value, labelValue);
  if (!old || old.effect !== taint?.effect) at.child('effect').requiredOneOf(taint?.effect, effects);
}

function checkToleration({ key, operator, value = '', effect }: DeviceToleration, at: FieldPath): void {
  if (key) at.child('key').matches(key, qualifiedName);
  if (operator === 'Exists' && value !== '') at.child('value').invalid(value, 'must be empty for operator `Exists`');
  else if (operator === 'Equal') at.child('value').matches(value, labelValue);
  at.child('operator').requiredOneOf(operator, operators);
  at.child('effect').oneOf(effect, effects);
}

export function checkDeviceTolerations(tolerations: readonly DeviceToleration[] | undefined, at: FieldPath): void {
  checkItems(tolerations, { at, max: maxTolerations }, checkToleration);
}
