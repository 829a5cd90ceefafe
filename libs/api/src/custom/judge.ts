import { isRecord } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import type { ScalePaths } from '../kind.ts';
import { checkRules } from './cel/rules.ts';
import { embeddedProblems, hasEmbedded } from './embedded.ts';
import { type JsonSchema, validateAgainstSchema } from './json-schema.ts';
import { hasListTypes, listTypeProblems } from './list-types.ts';

/** Which paths of an object a write may have changed. */
export type Part = 'whole' | 'status';

/** Judges an object, new or in the place of `old`. */
export type Judge = (object: unknown, old?: unknown, part?: Part) => FieldError[];

function goType(value: unknown): string {
  if (isRecord(value)) return 'map[string]interface {}';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'bigint') return 'int64';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : value === null ? '<nil>' : typeof value;
}

/** A value as Go's %v writes it. */
const shown = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

function valueAt(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), object);
}

const misfit = (path: string, value: unknown, wanted: string): string => `.${path} accessor error: ${shown(value)} is of the type ${goType(value)}, expected ${wanted}`;

function countProblem(object: unknown, path: string): FieldError[] {
  const value = valueAt(object, path);
  if (value === undefined) return [];
  if (typeof value !== 'number' || !Number.isInteger(value)) return [fieldError.invalid(`.${path}`, 0, misfit(path, value, 'int64'))];
  if (value < 0) return [fieldError.invalid(`.${path}`, value, 'should be a non-negative integer')];
  return value > 2_147_483_647 ? [fieldError.invalid(`.${path}`, value, 'should be less than or equal to 2147483647')] : [];
}

/** What /scale reads must be numbers that make sense, and a selector as text. */
function scaleProblems(object: unknown, scale: ScalePaths, part: Part): FieldError[] {
  const selector = scale.selector ? valueAt(object, scale.selector) : undefined;
  return [
    ...(part === 'whole' ? countProblem(object, scale.specReplicas) : []),
    ...countProblem(object, scale.statusReplicas),
    ...(selector === undefined || typeof selector === 'string' ? [] : [fieldError.invalid(`.${scale.selector ?? ''}`, '', misfit(scale.selector ?? '', selector, 'string'))]),
  ];
}

const blocking = new Set(['FieldValueNotSupported', 'FieldValueRequired', 'FieldValueTooLong', 'FieldValueTooMany', 'FieldValueTypeInvalid']);
const unchecked = fieldError.invalid('<nil>', null, 'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation');

function hasRules(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasRules);
  if (!isRecord(schema)) return false;
  const rules = schema['x-kubernetes-validations'];
  return (Array.isArray(rules) && rules.length > 0) || Object.values(schema).some(hasRules);
}

/**
 * Everything that is checked of the objects of one version besides their metadata, in upstream's order: the schema, what /scale
 * reads, embedded resources, sets and maps, and the rules in CEL, unless an error stands that these could stumble over.
 */
export function customJudge(schema: JsonSchema, scale: ScalePaths | undefined): Judge {
  const embeds = hasEmbedded(schema);
  const lists = hasListTypes(schema);
  const rules = hasRules(schema);
  return (object, old, part = 'whole') => {
    const errors = validateAgainstSchema(object, schema, old);
    if (scale) errors.push(...scaleProblems(object, scale, part));
    if (embeds && part === 'whole') errors.push(...embeddedProblems(object, schema));
    if (lists) errors.push(...listTypeProblems(object, schema, old));
    if (!rules) return errors;
    if (errors.some(({ reason }) => blocking.has(reason))) return [...errors, unchecked];
    return [...errors, ...checkRules(object, schema, old)];
  };
}
