import { deepEqual, isRecord } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import { checkComposition } from './composition.ts';
import { knownFormat } from './formats.ts';
import { correlatedItem } from './list-types.ts';
import { matchesPattern } from './pattern.ts';

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

/** A value at its place in the object, and the schema it is judged by. */
export interface Node {
  readonly schema: JsonSchema;
  readonly path: string;
  readonly value: unknown;
  /** The value that stood here before; undefined: none, or not to be told. What did not change is not judged again. */
  readonly old: unknown;
}

/** What was found, and how many checks a value got through: of several failed alternatives the one with most is told of. */
export interface Findings {
  readonly errors: FieldError[];
  matched: number;
}

type Check = (node: Node, found: Findings) => void;

const number = (schema: JsonSchema, name: string): number | undefined => (typeof schema[name] === 'number' ? schema[name] : undefined);
const fieldName = (path: string): string => path || '<nil>';

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string'];
  return schema.type ? [schema.type] : [];
}

/** What the validator calls the type of a value. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function fitsType({ schema, value }: Node, types: readonly string[], name: string): boolean {
  if (name === 'null') return schema.nullable === true || types.length === 0;
  if (types.length === 0 || types.includes(name) || (name === 'integer' && types.includes('number'))) return true;
  // A value with a format is left to that, whatever the type says.
  const isNumeric = types.includes('number') || types.includes('integer');
  return !isNumeric && (typeof value === 'string' || Array.isArray(value)) && knownFormat(schema.format) !== undefined;
}

const checkType: Check = (node, found) => {
  const { schema, path } = node;
  const types = typesOf(schema);
  if (types.length === 0 && knownFormat(schema.format) === undefined) return;
  const name = typeName(node.value);
  if (fitsType(node, types, name)) found.matched += 2;
  else {
    found.matched += 1;
    found.errors.push(fieldError.typeInvalid(fieldName(path), name, `${path} in body must be of type ${types.join(',')}: ${JSON.stringify(name)}`));
  }
};

/** The first that is wrong: its length or its pattern. */
function stringProblem({ schema, path, value }: Node & { readonly value: string }): FieldError | undefined {
  const [most, least] = [number(schema, 'maxLength'), number(schema, 'minLength')];
  const length = most === undefined && least === undefined ? 0 : characters(value);
  if (most !== undefined && length > most) return fieldError.tooLong(fieldName(path), value, most);
  if (least !== undefined && length < least) return fieldError.invalid(fieldName(path), value, `${path} in body should be at least ${least} chars long`);
  const pattern = schema['pattern'];
  const fits = typeof pattern !== 'string' || pattern === '' || matchesPattern(pattern, value);
  return fits ? undefined : fieldError.invalid(fieldName(path), value, `${path} in body should match '${String(pattern)}'`);
}

function characters(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) count += 1;
  return count;
}

const checkString: Check = (node, found) => {
  const { schema, path, value } = node;
  if (typeof value !== 'string') return;
  found.matched += 1;
  const problem = stringProblem({ ...node, value });
  if (problem) found.errors.push(problem);
  const fits = knownFormat(schema.format);
  if (!fits) return;
  found.matched += 2;
  if (!fits(value)) found.errors.push(fieldError.typeInvalid(fieldName(path), value, `${path} in body must be of type ${schema.format ?? ''}: ${JSON.stringify(value)}`));
};

/** Upstream divides by a whole number, and multiplies by the inverse of a small one. */
function isMultiple(value: number, unit: number): boolean {
  if (unit === 0) return false;
  const times = unit < 1 ? (1 / unit) * value : value / unit;
  return Math.abs(times - Math.round(times)) <= 1e-9 * Math.max(1, Math.abs(times));
}

const checkNumber: Check = ({ schema, path, value }, found) => {
  if (typeof value !== 'number' && typeof value !== 'bigint') return;
  found.matched += 2;
  const refuse = (text: string): void => void found.errors.push(fieldError.invalid(fieldName(path), value, `${path} in body should be ${text}`));
  const [unit, most, least] = [number(schema, 'multipleOf'), number(schema, 'maximum'), number(schema, 'minimum')];
  if (unit !== undefined && !isMultiple(Number(value), unit)) refuse(`a multiple of ${unit}`);
  const [below, above] = [schema['exclusiveMaximum'] === true, schema['exclusiveMinimum'] === true];
  if (most !== undefined && (below ? value >= most : value > most)) refuse(below ? `less than ${most}` : `less than or equal to ${most}`);
  if (least !== undefined && (above ? value <= least : value < least)) refuse(above ? `greater than ${least}` : `greater than or equal to ${least}`);
};

const checkList: Check = ({ schema, path, value, old }, found) => {
  if (!Array.isArray(value)) return;
  found.matched += 2;
  const [most, least] = [number(schema, 'maxItems'), number(schema, 'minItems')];
  if (isRecord(schema.items)) {
    const items = schema.items as JsonSchema;
    for (const [i, item] of value.entries()) judgeNode({ schema: items, path: `${path}[${i}]`, value: item, old: correlatedItem(schema, item, old) }, found);
  }
  if (least !== undefined && value.length < least) found.errors.push(fieldError.invalid(fieldName(path), value.length, `${path} in body should have at least ${least} items`));
  if (most !== undefined && value.length > most) found.errors.push(fieldError.tooMany(fieldName(path), value.length, most));
};

const checkEnum: Check = ({ schema, path, value }, found) => {
  found.matched += 1;
  if (!schema.enum?.length || (value === null && schema.nullable === true) || schema.enum.some((allowed) => deepEqual(allowed, value))) return;
  const allowed = schema.enum.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
  found.errors.push(fieldError.notSupported(fieldName(path), value, allowed));
};

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Too few or too many properties are told of instead of what is wrong with them. */
function sizeProblem({ schema, path }: Node, size: number): FieldError | undefined {
  const [most, least] = [number(schema, 'maxProperties'), number(schema, 'minProperties')];
  if (least !== undefined && size < least) return fieldError.invalid(fieldName(path), size, `${path} in body should have at least ${least} properties`);
  return most !== undefined && size > most ? fieldError.tooMany(fieldName(path), size, most) : undefined;
}

const checkObject: Check = (node, found) => {
  const { schema, path, value, old } = node;
  if (!isRecord(value)) return;
  found.matched += 1;
  const names = Object.keys(value);
  const size = sizeProblem(node, names.length);
  if (size) {
    found.errors.push(size);
    return;
  }
  const before = isRecord(old) ? old : {};
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const more = isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
  for (const name of names) {
    const member = Object.hasOwn(properties, name) ? properties[name] : more;
    if (member) judgeNode({ schema: member, path: join(path, name), value: value[name], old: before[name] }, found);
    else if (schema.additionalProperties === false) found.errors.push(fieldError.invalid(fieldName(path), name, `${path}.${name} in body is a forbidden property`));
  }
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) found.errors.push(fieldError.required(join(path, name)));
};

const checks: readonly Check[] = [checkType, checkComposition, checkString, checkNumber, checkList, checkEnum, checkObject];
const nullChecks: readonly Check[] = [checkType, checkEnum];

/** Adds what is found in a value. What did not change is not judged. */
export function judgeNode(node: Node, found: Findings): void {
  if (node.old !== undefined && deepEqual(node.old, node.value)) return;
  for (const check of node.value === null ? nullChecks : checks) check(node, found);
  found.matched += 1;
}

function once(errors: readonly FieldError[]): FieldError[] {
  const seen = new Set<string>();
  return errors.filter(({ field, message }) => !seen.has(`${field} ${message}`) && seen.add(`${field} ${message}`));
}

/**
 * Judges a custom object by its schema in upstream's words. Of an update, what did not change is let through even where
 * the schema has become stricter (ratcheting).
 */
export function validateAgainstSchema(object: unknown, schema: JsonSchema, old?: unknown): FieldError[] {
  const found: Findings = { errors: [], matched: 0 };
  judgeNode({ schema, path: '', value: object, old }, found);
  return found.errors.length > 1 ? once(found.errors) : found.errors;
}
