import { deepEqual, isRecord } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import { correlatedItem } from '../list-types.ts';
import type { JsonSchema } from '../json-schema.ts';
import { type Scope, evaluate, isNamespace } from './evaluate.ts';
import { functions } from './functions.ts';
import { macroOf } from './macros.ts';
import { CelSyntaxError, type Expression, parseCel, partsOf } from './syntax.ts';
import { CelError, Optional, celValue } from './values.ts';

/** One entry of x-kubernetes-validations. */
interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

interface Program {
  readonly rule: Rule;
  readonly test: Expression;
  readonly message: Expression | undefined;
  readonly usesOld: boolean;
}

/** Steps all rules of one object may take together: enough for any honest rule, too few to stop the server. */
const stepBudget = 1_000_000;

const programs = new WeakMap<JsonSchema, readonly Program[]>();

function rulesOf(schema: JsonSchema): readonly Rule[] {
  const rules = schema['x-kubernetes-validations'];
  return Array.isArray(rules) ? (rules as Partial<Rule>[]).filter((rule): rule is Rule => typeof rule.rule === 'string') : [];
}

/** Types are values of their own; here their names stand for them, which is also what `type` tells. */
export const typeNames = ['bool', 'double', 'int', 'list', 'map', 'null_type', 'string'];

/** The first name or function that nobody defines; undefined when there is none. */
function unknownIn(expression: Expression): string | undefined {
  const names = new Set(['self', 'oldSelf', 'optional', 'sets', ...typeNames]);
  const parts = [...partsOf(expression)];
  for (const part of parts) if (part.type === 'call' && macroOf(part) && part.args[0]?.type === 'name') names.add(part.args[0].name);
  for (const part of parts) {
    if (part.type === 'name' && !names.has(part.name)) return `the name ${part.name} is not known`;
    if (part.type !== 'call' || macroOf(part)) continue;
    const name = isNamespace(part.on) ? `${part.on.name}.${part.name}` : part.name;
    if (!Object.hasOwn(functions, name)) return `the function ${name} is not known`;
  }
  return undefined;
}

/** Why a rule cannot be evaluated here; undefined when it can. */
export function ruleProblem(source: string): string | undefined {
  try {
    return unknownIn(parseCel(source));
  } catch (error) {
    if (error instanceof CelSyntaxError) return error.message;
    throw error;
  }
}

function compile(rule: Rule): Program | undefined {
  if (ruleProblem(rule.rule) !== undefined) return undefined;
  const test = parseCel(rule.rule);
  const usesOld = [...partsOf(test)].some((part) => part.type === 'name' && part.name === 'oldSelf');
  const message = rule.messageExpression && ruleProblem(rule.messageExpression) === undefined ? parseCel(rule.messageExpression) : undefined;
  return { rule, test, message, usesOld };
}

function programsOf(schema: JsonSchema): readonly Program[] {
  let found = programs.get(schema);
  if (!found) programs.set(schema, (found = rulesOf(schema).flatMap((rule) => compile(rule) ?? [])));
  return found;
}

interface Node {
  readonly schema: JsonSchema;
  readonly path: string;
  readonly value: unknown;
  readonly old: unknown;
  readonly budget: { left: number };
  /** Of the object itself, which shows its name besides what the schema has. */
  readonly isRoot: boolean;
}

function visible({ schema, isRoot }: Node): JsonSchema {
  if (!isRoot) return schema;
  const text = { type: 'string' };
  return { ...schema, properties: { ...schema.properties, apiVersion: text, kind: text, metadata: { type: 'object', properties: { name: text, generateName: text } } } };
}

function told(program: Program, scope: Scope): string {
  const { rule, message } = program;
  const fallback = rule.message || `failed rule: ${rule.rule.trim()}`;
  if (!message) return fallback;
  try {
    const made = evaluate(message, scope);
    return typeof made === 'string' && made.trim() !== '' && !made.includes('\n') ? made : fallback;
  } catch (error) {
    if (error instanceof CelError) return fallback;
    throw error;
  }
}

const makers: Readonly<Record<string, (field: string, value: unknown, detail: string) => FieldError>> = {
  FieldValueForbidden: (field, _value, detail) => fieldError.forbidden(field, detail),
  FieldValueRequired: (field, _value, detail) => fieldError.required(field, detail),
  FieldValueDuplicate: (field, value) => fieldError.duplicate(field, value),
};

function failure(node: Node, rule: Rule, detail: string): FieldError {
  const field = `${node.path}${rule.fieldPath ?? ''}`.replace(/^\./, '') || '<nil>';
  const make = makers[rule.reason ?? ''] ?? fieldError.invalid;
  return make(field, node.schema.type ?? 'object', detail);
}

function run(node: Node, program: Program, errors: FieldError[]): void {
  const { rule, usesOld } = program;
  const hasOld = node.old !== undefined;
  if (usesOld && !hasOld && rule.optionalOldSelf !== true) return;
  const schema = visible(node);
  const names = new Map<string, unknown>([...typeNames.map((name) => [name, name] as const), ['self', celValue(node.value, schema)]]);
  if (rule.optionalOldSelf === true) names.set('oldSelf', hasOld ? new Optional(true, celValue(node.old, schema)) : new Optional(false));
  else if (hasOld) names.set('oldSelf', celValue(node.old, schema));
  const scope: Scope = { names, budget: node.budget };
  try {
    if (evaluate(program.test, scope) !== true) errors.push(failure(node, rule, told(program, scope)));
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    errors.push(failure(node, rule, `${error.message} evaluating rule: ${rule.message || rule.rule.trim()}`));
  }
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function visit(node: Node, errors: FieldError[]): void {
  const { schema, value, old } = node;
  if (value === null || value === undefined || (old !== undefined && deepEqual(old, value) && !programsOf(schema).some((program) => program.usesOld))) return;
  for (const program of programsOf(schema)) run(node, program, errors);
  if (Array.isArray(value) && isRecord(schema.items)) {
    const items = schema.items as JsonSchema;
    for (const [i, item] of value.entries()) visit({ ...node, schema: items, path: `${node.path}[${i}]`, value: item, old: correlatedItem(schema, item, old), isRoot: false }, errors);
  }
  if (!isRecord(value)) return;
  const before = isRecord(old) ? old : {};
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const more = isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
  for (const name of Object.keys(value)) {
    const member = Object.hasOwn(properties, name) ? properties[name] : more;
    const path = Object.hasOwn(properties, name) ? join(node.path, name) : `${node.path}[${name}]`;
    if (member) visit({ ...node, schema: member, path, value: value[name], old: before[name], isRoot: false }, errors);
  }
}

/** What the rules of a schema (x-kubernetes-validations) say about a custom object. `old` is its state before an update. */
export function checkRules(object: unknown, schema: JsonSchema, old?: unknown): FieldError[] {
  const errors: FieldError[] = [];
  visit({ schema, path: '', value: object, old, budget: { left: stepBudget }, isRoot: true }, errors);
  return errors;
}

/** Rules of a schema that are not evaluated, and why. */
export function skippedRules(schema: unknown): { readonly rule: string; readonly why: string }[] {
  if (!isRecord(schema)) return Array.isArray(schema) ? schema.flatMap(skippedRules) : [];
  const own = rulesOf(schema as JsonSchema).flatMap(({ rule }) => {
    const why = ruleProblem(rule);
    return why === undefined ? [] : [{ rule, why }];
  });
  return [...own, ...Object.entries(schema).flatMap(([name, part]) => (name === 'x-kubernetes-validations' ? [] : skippedRules(part)))];
}
