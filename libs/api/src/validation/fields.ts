import type { FieldPath } from './field-path.ts';
import { annotationKey, dns1123Label, labelValue, percent, portName, qualifiedName, rangeMessage } from './names.ts';
import { semanticEqual } from '../equality.ts';

export const immutableMessage = 'field is immutable';
export const nonNegativeMessage = 'must be greater than or equal to 0';
export const positiveMessage = 'must be greater than 0';
export const maxInt32 = 2_147_483_647;

export function checkNonNegative(value: number | undefined, at: FieldPath): void {
  if (value !== undefined && value < 0) at.invalid(value, nonNegativeMessage);
}

export function checkPositive(value: number | undefined, at: FieldPath): void {
  if (value !== undefined && value <= 0) at.invalid(value, positiveMessage);
}

export function inRange(value: number, min: number, max: number): string[] {
  return value >= min && value <= max ? [] : [rangeMessage(min, max)];
}

export function checkPort(value: number | undefined, at: FieldPath): void {
  for (const message of inRange(value ?? 0, 1, 65535)) at.invalid(value ?? 0, message);
}

/** User and group ids: upstream takes 31 bits. */
export function checkId(value: number | undefined, at: FieldPath): void {
  if (value === undefined) return;
  for (const message of inRange(value, 0, maxInt32)) at.invalid(value, message);
}

export type IntOrString = number | string;

/** A port by number or by name. */
export function checkPortOrName(value: IntOrString | undefined, at: FieldPath): void {
  if (typeof value === 'string') at.matches(value, portName);
  else checkPort(value, at);
}

export interface Change {
  readonly value: unknown;
  readonly old: unknown;
}

export function checkImmutable({ value, old }: Change, at: FieldPath): void {
  if (!semanticEqual(value, old)) at.invalid(value ?? null, immutableMessage);
}

export function checkLabels(labels: Record<string, string> | undefined, at: FieldPath): void {
  for (const key in labels) {
    at.matches(key, qualifiedName);
    at.matches(labels[key], labelValue);
  }
}

const maxAnnotationBytes = 256 * 1024;

export function checkAnnotations(annotations: Record<string, string> | undefined, at: FieldPath): void {
  let total = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    at.matches(key, annotationKey);
    total += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (total > maxAnnotationBytes) at.tooLong('', maxAnnotationBytes);
}

/** A non-negative number or a percentage. */
export function checkNonNegativeIntOrPercent(value: IntOrString | undefined, at: FieldPath): void {
  if (typeof value === 'string') at.matches(value, percent);
  else checkNonNegative(value, at);
}

export const percentValue = (value: IntOrString | undefined): number | undefined =>
  typeof value === 'string' && /^[0-9]+%$/.test(value) ? Number.parseInt(value, 10) : undefined;

/** The number itself, or the number before the percent sign: how upstream asks "is it zero?". */
export const intOrPercentValue = (value: IntOrString | undefined): number => (typeof value === 'number' ? value : (percentValue(value) ?? 0));

export function checkNotAbove100Percent(value: IntOrString | undefined, at: FieldPath): void {
  if ((percentValue(value) ?? 0) > 100) at.invalid(value, 'must not be greater than 100%');
}

/** A DNS label that no earlier item of the list has. */
export function checkUniqueLabel(name: string | undefined, { seen, at }: { seen: Set<string>; at: FieldPath }): void {
  if (!name) at.required();
  else if (seen.has(name)) at.duplicate(name);
  else at.matches(name, dns1123Label);
  if (name) seen.add(name);
}
