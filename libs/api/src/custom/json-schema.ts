import { deepEqual, isRecord } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import { fitsNumberFormat, stringFormats } from './formats.ts';
import { correlatedItem, checkListType } from './list-types.ts';
import { compilePattern } from './pattern.ts';

/** An OpenAPI v3 schema as a CustomResourceDefinition holds it. */
export interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly additionalProperties?: unknown;
  readonly items?: unknown;
  readonly required?: readonly string[];
  readonly [key: string]: unknown;
}

interface Node {
  readonly schema: JsonSchema;
  readonly path: string;
  readonly value: unknown;
  /** The value that stood here before; undefined: none, or not to be told. What did not change is not judged again. */
  readonly old: unknown;
}

type Check = (node: Node, errors: FieldError[]) => void;

const number = (schema: JsonSchema, name: string): number | undefined => (typeof schema[name] === 'number' ? schema[name] : undefined);
const schemas = (schema: JsonSchema, name: string): readonly JsonSchema[] => (Array.isArray(schema[name]) ? (schema[name] as JsonSchema[]) : []);
const fieldName = (path: string): string => path || '<nil>';

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string'];
  return schema.type ? [schema.type] : [];
}

/** What the validator calls the type of a value. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function misfit({ schema, path }: Node, name: string): FieldError {
  return fieldError.typeInvalid(fieldName(path), name, `${path} in body must be of type ${typesOf(schema).join(',')}: ${JSON.stringify(name)}`);
}

const checkType: Check = (node, errors) => {
  const types = typesOf(node.schema);
  const name = typeName(node.value);
  if (name === 'null' ? node.schema.nullable === true || types.length === 0 : types.length === 0) return;
  if (types.includes(name) || (name === 'integer' && types.includes('number'))) return;
  errors.push(misfit(node, name));
};

const checkString: Check = ({ schema, path, value }, errors) => {
  if (typeof value !== 'string') return;
  const length = [...value].length;
  const [most, least] = [number(schema, 'maxLength'), number(schema, 'minLength')];
  if (most !== undefined && length > most) errors.push(fieldError.tooLong(fieldName(path), value, most));
  if (least !== undefined && length < least) errors.push(fieldError.invalid(fieldName(path), value, `${path} in body should be at least ${least} chars long`));
  const pattern = schema['pattern'];
  if (typeof pattern === 'string' && compilePattern(pattern)?.test(value) === false) errors.push(fieldError.invalid(fieldName(path), value, `${path} in body should match '${pattern}'`));
};

const checkFormat: Check = ({ schema, path, value }, errors) => {
  const { format } = schema;
  if (!format) return;
  if (typeof value === 'string') {
    const fits = stringFormats[format === 'date-time' ? 'datetime' : format];
    if (fits?.(value) === false) errors.push(fieldError.typeInvalid(fieldName(path), value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`));
  } else if (typeof value === 'number' && !fitsNumberFormat(value, format)) {
    errors.push(fieldError.invalid(fieldName(path), value, `Checked value must be of type ${schema.type ?? ''} with format ${format} in ${path}`));
  }
};

const checkNumber: Check = ({ schema, path, value }, errors) => {
  if (typeof value !== 'number') return;
  const refuse = (text: string): void => void errors.push(fieldError.invalid(fieldName(path), value, `${path} in body should be ${text}`));
  const [unit, most, least] = [number(schema, 'multipleOf'), number(schema, 'maximum'), number(schema, 'minimum')];
  if (unit !== undefined && unit > 0 && Math.abs(value / unit - Math.round(value / unit)) > 1e-9) refuse(`a multiple of ${unit}`);
  const [below, above] = [schema['exclusiveMaximum'] === true, schema['exclusiveMinimum'] === true];
  if (most !== undefined && (below ? value >= most : value > most)) refuse(below ? `less than ${most}` : `less than or equal to ${most}`);
  if (least !== undefined && (above ? value <= least : value < least)) refuse(above ? `greater than ${least}` : `greater than or equal to ${least}`);
};

const checkList: Check = ({ schema, path, value, old }, errors) => {
  if (!Array.isArray(value)) return;
  const [most, least] = [number(schema, 'maxItems'), number(schema, 'minItems')];
  if (isRecord(schema.items)) {
    const items = schema.items as JsonSchema;
    for (const [i, item] of value.entries()) visit({ schema: items, path: `${path}[${i}]`, value: item, old: correlatedItem(schema, item, old) }, errors);
  }
  if (least !== undefined && value.length < least) errors.push(fieldError.invalid(fieldName(path), value.length, `${path} in body should have at least ${least} items`));
  if (most !== undefined && value.length > most) errors.push(fieldError.tooMany(fieldName(path), value.length, most));
  checkListType({ schema, path, value }, errors);
};

const checkEnum: Check = ({ schema, path, value }, errors) => {
  if (!schema.enum || (value === null && schema.nullable === true) || schema.enum.some((allowed) => deepEqual(allowed, value))) return;
  const allowed = schema.enum.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
  errors.push(fieldError.notSupported(fieldName(path), value, allowed));
};

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

const checkObject: Check = ({ schema, path, value, old }, errors) => {
  if (!isRecord(value)) return;
  const names = Object.keys(value);
  const before = isRecord(old) ? old : {};
  const [most, least] = [number(schema, 'maxProperties'), number(schema, 'minProperties')];
  if (least !== undefined && names.length < least) errors.push(fieldError.invalid(fieldName(path), names.length, `${path} in body should have at least ${least} properties`));
  if (most !== undefined && names.length > most) errors.push(fieldError.tooMany(fieldName(path), names.length, most));
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const more = isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
  for (const name of names) {
    const member = Object.hasOwn(properties, name) ? properties[name] : more;
    if (member) visit({ schema: member, path: join(path, name), value: value[name], old: before[name] }, errors);
  }
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) errors.push(fieldError.required(join(path, name)));
  if (schema['x-kubernetes-embedded-resource'] !== true) return;
  for (const name of ['apiVersion', 'kind']) if (!value[name]) errors.push(fieldError.required(join(path, name), 'must not be empty'));
};

/** Whole-value rules have no field of their own in upstream's answers. */
function composed(text: string): FieldError {
  return fieldError.invalid('<nil>', '', text);
}

function problemsOf(node: Node): FieldError[] {
  const errors: FieldError[] = [];
  visit(node, errors);
  return errors;
}

const checkComposition: Check = (node, errors) => {
  const { schema, path } = node;
  const about = JSON.stringify(path);
  const under = (part: JsonSchema): FieldError[] => problemsOf({ ...node, schema: part, old: undefined });
  const any = schema['x-kubernetes-int-or-string'] === true ? [] : schemas(schema, 'anyOf');
  if (any.length) {
    const failures = any.map(under);
    if (failures.every((found) => found.length)) errors.push(composed(`${about} must validate at least one schema (anyOf)`), ...(failures[0] ?? []));
  }
  const one = schemas(schema, 'oneOf');
  if (one.length) {
    const failures = one.map(under);
    const valid = failures.filter((found) => found.length === 0).length;
    const why = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
    if (valid !== 1) errors.push(composed(`${about} must validate one and only one schema (oneOf). ${why}`), ...(valid === 0 ? (failures[0] ?? []) : []));
  }
  const all = schemas(schema, 'allOf').map(under);
  if (all.some((found) => found.length)) {
    const none = all.every((found) => found.length) ? '. None validated' : '';
    errors.push(...all.flat(), composed(`${about} must validate all the schemas (allOf)${none}`));
  }
  if (isRecord(schema['not']) && under(schema['not']).length === 0) errors.push(composed(`${about} must not validate the schema (not)`));
};

const checks: readonly Check[] = [checkType, checkComposition, checkString, checkFormat, checkNumber, checkList, checkEnum, checkObject];
const nullChecks: readonly Check[] = [checkType, checkEnum];

function visit(node: Node, errors: FieldError[]): void {
  if (node.old !== undefined && deepEqual(node.old, node.value)) return;
  for (const check of node.value === null ? nullChecks : checks) check(node, errors);
}

/**
 * Judges a custom object by its schema in upstream's words. Of an update, what did not change is let through even where
 * the schema has become stricter (ratcheting).
 */
export function validateAgainstSchema(object: unknown, schema: JsonSchema, old?: unknown): FieldError[] {
  return problemsOf({ schema, path: '', value: object, old });
}
