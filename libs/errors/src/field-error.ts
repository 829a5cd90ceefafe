import { type StatusCause, StatusError } from './status-error.ts';

/** One problem with one field, worded as upstream's `field.Error` is. */
export interface FieldError {
  /** FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, FieldValueForbidden, FieldValueDuplicate, FieldValueTooLong … */
  reason: string;
  /** `spec.containers[0].name` */
  field: string;
  /** Without the path: `Invalid value: "x": must be …`. */
  message: string;
}

/** A value as Go's `%#v`-like formatting in field errors shows it: strings quoted, objects as JSON. */
function show(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value);
}

const tail = (detail: string): string => (detail ? `: ${detail}` : '');

export const fieldError = {
  required: (field: string, detail = ''): FieldError => ({ reason: 'FieldValueRequired', field, message: `Required value${tail(detail)}` }),
  invalid: (field: string, value: unknown, detail: string): FieldError => ({
    reason: 'FieldValueInvalid',
    field,
    message: `Invalid value: ${show(value)}${tail(detail)}`,
  }),
  notSupported: (field: string, value: unknown, allowed: readonly string[]): FieldError => ({
    reason: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${show(value)}: supported values: ${allowed.map((v) => JSON.stringify(v)).join(', ')}`,
  }),
  forbidden: (field: string, detail: string): FieldError => ({ reason: 'FieldValueForbidden', field, message: `Forbidden${tail(detail)}` }),
  duplicate: (field: string, value: unknown): FieldError => ({ reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${show(value)}` }),
  notFound: (field: string, value: unknown): FieldError => ({ reason: 'FieldValueNotFound', field, message: `Not found: ${show(value)}` }),
  tooLong: (field: string, _value: unknown, maxLength: number): FieldError => ({
    reason: 'FieldValueTooLong',
    field,
    message: `Too long: may not be more than ${maxLength} bytes`,
  }),
  tooMany: (field: string, actual: number, max: number): FieldError => ({
    reason: 'FieldValueTooMany',
    field,
    message: `Too many: ${actual}: must have at most ${max} items`,
  }),
  typeInvalid: (field: string, value: unknown, detail: string): FieldError => ({
    reason: 'FieldValueTypeInvalid',
    field,
    message: `Invalid value: ${show(value)}${tail(detail)}`,
  }),
};

/** 422 with one cause a field error: `Pod "x" is invalid: [a, b]`, where what is the same is said once. `kind` is the Kind, not the resource. */
export function invalid(subject: { group: string; kind: string; name: string }, errors: readonly FieldError[]): StatusError {
  const lines = [...new Set(errors.map((e) => `${e.field}: ${e.message}`))];
  const body = lines.length === 1 ? (lines[0] ?? '') : `[${lines.join(', ')}]`;
  const kind = subject.group ? `${subject.kind}.${subject.group}` : subject.kind;
  const causes: StatusCause[] = errors.map((e) => ({ reason: e.reason, message: e.message, field: e.field }));
  const group = subject.group ? { group: subject.group } : {};
  return new StatusError({
    code: 422,
    reason: 'Invalid',
    message: `${kind} "${subject.name}" is invalid: ${body}`,
    details: { name: subject.name, ...group, kind: subject.kind, causes },
  });
}
