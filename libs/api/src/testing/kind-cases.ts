import type { FieldError } from '@orrery/errors';
import type { KindDescriptor } from '../kind.ts';

/** Ten minutes after objects of tests were made. */
export const context = { nowMs: Date.parse('2026-01-01T00:10:00Z'), namespace: 'default' };

/** An object named `x` with defaults. */
export function made<T>(kind: KindDescriptor<T>, fields: object): T {
  const metadata = { name: 'x', namespace: 'default', uid: 'u-1', creationTimestamp: '2026-01-01T00:00:00Z' };
  const object = structuredClone({ metadata, ...fields }) as T;
  kind.defaults(object);
  return object;
}

/** As after a create. */
export function created<T>(kind: KindDescriptor<T>, fields: object): T {
  const object = made(kind, fields);
  kind.prepareForCreate(object, context);
  return object;
}

const lines = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);

export function problems<T>(kind: KindDescriptor<T>, fields: object): string[] {
  return lines(kind.validate(created(kind, fields)));
}

export function updateProblems<T>(kind: KindDescriptor<T>, { old, next }: { old: object; next: object }): string[] {
  const before = created(kind, old);
  const after = made(kind, next);
  kind.prepareForUpdate(after, before, context);
  return lines(kind.validateUpdate(after, before));
}

/** The cells after Name, without the wide ones unless asked for. */
export function cells<T>(kind: KindDescriptor<T>, fields: object, wide = false): unknown[] {
  const object = made(kind, fields);
  return kind.columns.filter(({ priority }) => wide || priority === 0).slice(1).map((column) => column.cell(object, context));
}
