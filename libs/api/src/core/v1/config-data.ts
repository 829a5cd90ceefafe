import type { FieldPath } from '../../validation/field-path.ts';
import { semanticEqual } from '../../equality.ts';
import { configMapKey } from '../../validation/names.ts';

/** Config maps and secrets hold at most this much. */
export const maxDataBytes = 1024 * 1024;

export const base64Bytes = (value: string): number => Math.floor((value.replace(/(?<!=)=+$/, '').length * 3) / 4);

export function checkKeys(data: Readonly<Record<string, unknown>> | undefined, at: FieldPath): void {
  for (const key in data) at.at(key).matches(key, configMapKey);
}

interface Immutable {
  readonly immutable?: boolean;
}

/** Once immutable, always so, and the data too. */
export function checkImmutableData<T extends Immutable>(object: T, { old, fields, root }: { old: T; fields: readonly (keyof T & string)[]; root: FieldPath }): void {
  if (!old.immutable) return;
  const detail = 'field is immutable when `immutable` is set';
  if (!object.immutable) root.child('immutable').forbidden(detail);
  for (const field of fields) if (!semanticEqual(object[field], old[field])) root.child(field).forbidden(detail);
}
