import { deepEqual, isRecord } from '@orrery/apimachinery';
import { type CelType, CelOptional, type Outcome, fromJson, perObjectCostLimit } from '@orrery/cel';
import { fieldError, type FieldError } from '@orrery/errors';
import { correlatedItem } from '../list-types.ts';
import type { JsonSchema } from '../json-schema.ts';
import { type Rule, type RuleProgram, ruleSet } from './rule-program.ts';

/** A value at its place, with what it was before where the two can be told to be the same. */
interface Node {
  readonly schema: JsonSchema;
  readonly path: string;
  readonly value: unknown;
  readonly old: unknown;
  /** The root, or an embedded resource. */
  readonly isResource: boolean;
  /** What was let in before may stay. */
  readonly isUpdate: boolean;
  /** Nothing changed here, or nothing in the nearest place around it that can be compared: what fails was let in before. */
  readonly isUnchanged: () => boolean;
}

/** One object's rules share a budget; what exceeds it ends the evaluation of all further ones. */
interface Run {
  readonly errors: FieldError[];
  left: number;
}

/** No further rule is evaluated. */
class Exhausted extends Error {}

const textOf = ({ message, rule }: Rule): string => (message || rule).trim();
const maxMessageBytes = 5 * 1024;

const makers: Readonly<Record<string, (field: string, value: unknown, detail: string) => FieldError>> = {
  FieldValueForbidden: (field, _value, detail) => fieldError.forbidden(field, detail),
  FieldValueRequired: (field, _value, detail) => fieldError.required(field, detail),
  FieldValueDuplicate: (field, value) => fieldError.duplicate(field, value),
};

/** `.a['b-c']` as paths of errors have it, below the schema it is about. */
function normalized(fieldPath: string | undefined, schema: JsonSchema): string {
  let path = '';
  let at: JsonSchema | undefined = schema;
  for (const [, plain, quoted = ''] of (fieldPath ?? '').matchAll(/\.([^.[\]]+)|\[\s*'((?:[^'\\]|\\.)*)'\s*\]/g)) {
    const name: string = plain ?? quoted.replace(/\\(.)/g, '$1');
    const properties = (at?.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
    const isNamed = Object.hasOwn(properties, name);
    path += isNamed ? `.${name}` : `[${name}]`;
    at = isNamed ? properties[name] : (at?.additionalProperties as JsonSchema | undefined);
  }
  return path;
}

function failureAt(node: Node, { reason, fieldPath }: Rule, detail: string): FieldError {
  const field = `${node.path}${normalized(fieldPath, node.schema)}`.replace(/^\./, '') || '<nil>';
  return (makers[reason ?? ''] ?? fieldError.invalid)(field, node.schema.type ?? '', detail);
}

const place = (node: Node): string => node.path || '<nil>';
const problem = (node: Node, detail: string): FieldError => fieldError.invalid(place(node), node.schema.type ?? '', detail);

function stop(run: Run, error: FieldError): never {
  run.errors.push(error);
  throw new Exhausted();
}

/** What an evaluation ran into. Throws Exhausted for what took too much. */
function runtimeError(node: Node, rule: Rule, error: NonNullable<Outcome['error']>): FieldError {
  const { message, kind } = error;
  if (kind === 'cost') return problem(node, `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${textOf(rule)}`);
  if (message.startsWith('no such overload')) return problem(node, `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${textOf(rule)}`);
  return problem(node, `${message} evaluating rule: ${textOf(rule)}`);
}

/** The message that an expression makes; undefined when it makes none that will do. Throws Exhausted. */
function toldBy(program: RuleProgram, bindings: Readonly<Record<string, unknown>>, { run, node }: { readonly run: Run; readonly node: Node }): string | undefined {
  const { message, rule } = program;
  if (!message) return undefined;
  const { value, error, cost } = message.evaluate(bindings);
  const fail = (detail: string): never => stop(run, failureAt(node, { ...rule, reason: 'FieldValueInvalid' }, detail));
  if (cost > run.left) return fail('messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run');
  if (error?.kind === 'cost') return fail(`no further validation rules will be run due to call cost exceeds limit for messageExpression: ${JSON.stringify(rule.messageExpression)}`);
  run.left -= cost;
  const told = typeof value === 'string' ? value.trim() : '';
  return told === '' || told.includes('\n') || Buffer.byteLength(told) > maxMessageBytes ? undefined : told;
}

function defaultMessage(rule: Rule): string {
  return rule.message ? rule.message.trim() : `failed rule: ${textOf(rule)}`;
}

/** `oldSelf` is an optional where the rule wants it to be. */
function bindingsOf(node: Node, rule: Rule, type: CelType): Readonly<Record<string, unknown>> {
  const { value, old } = node;
  if (rule.optionalOldSelf) return { self: value, oldSelf: new CelOptional(old === undefined ? undefined : fromJson(old, type)) };
  return old === undefined ? { self: value } : { self: value, oldSelf: old };
}

function evaluateRule(node: Node, program: RuleProgram, { run, type }: { readonly run: Run; readonly type: CelType }): void {
  const { rule, test, problem: broken, usesOld } = program;
  if (broken !== undefined) run.errors.push(problem(node, `rule compile error: ${broken}`));
  if (!test || (usesOld && node.old === undefined && !rule.optionalOldSelf)) return;
  const bindings = bindingsOf(node, rule, type);
  const { value, error, cost } = test.evaluate(bindings);
  if (cost > run.left) stop(run, problem(node, outOfBudget));
  run.left -= cost;
  if (error?.kind === 'cost') stop(run, runtimeError(node, rule, error));
  if (error) run.errors.push(runtimeError(node, rule, error));
  if (error || value === true) return;
  const detail = toldBy(program, bindings, { run, node }) ?? defaultMessage(rule);
  if (usesOld || !node.isUnchanged()) run.errors.push(failureAt(node, rule, detail));
}

const outOfBudget = 'validation failed due to running out of cost budget, no further validation rules will be run';

function evaluateRules(node: Node, run: Run): void {
  const { type, programs } = ruleSet(node.schema, node.isResource);
  if (!type || !programs.length) return;
  if (run.left <= 0) stop(run, problem(node, outOfBudget));
  for (const program of programs) evaluateRule(node, program, { run, type });
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** A member of a node. What it was before is known only where the node's own is. */
function below(node: Node, member: { readonly schema: JsonSchema; readonly path: string; readonly value: unknown; readonly old: unknown }): Node {
  const { old, value } = member;
  const isUnchanged = old === undefined || !node.isUpdate ? node.isUnchanged : (): boolean => deepEqual(old, value);
  return { ...member, isResource: member.schema['x-kubernetes-embedded-resource'] === true, isUpdate: node.isUpdate, isUnchanged };
}

/** Versions and kinds are converted, so they never count as changed or not. */
const converted = (node: Node, name: string): boolean => node.path === '' && (name === 'apiVersion' || name === 'kind');

function visitMembers(node: Node, object: Readonly<Record<string, unknown>>, run: Run): void {
  const { schema } = node;
  const before = isRecord(node.old) ? node.old : {};
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const more = isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
  for (const name of Object.keys(object)) {
    const isNamed = Object.hasOwn(properties, name);
    const member = isNamed ? properties[name] : more;
    if (!member || !hasRules(member)) continue;
    const path = isNamed ? join(node.path, name) : `${node.path}[${name}]`;
    const inner = below(node, { schema: member, path, value: object[name], old: Object.hasOwn(before, name) ? (before[name] ?? undefined) : undefined });
    visit(converted(node, name) ? { ...inner, isUnchanged: () => false } : inner, run);
  }
}

function visit(node: Node, run: Run): void {
  const { schema, value, old, path } = node;
  if (value === null || value === undefined) return;
  evaluateRules(node, run);
  const items = isRecord(schema.items) ? (schema.items as JsonSchema) : undefined;
  if (Array.isArray(value) && items && hasRules(items)) {
    for (const [i, item] of value.entries()) visit(below(node, { schema: items, path: `${path}[${i}]`, value: item, old: correlatedItem(schema, item, old) }), run);
  } else if (isRecord(value)) visitMembers(node, value, run);
}

const known = new WeakMap<JsonSchema, boolean>();

/** Are there rules here or below? */
function hasRules(schema: JsonSchema): boolean {
  let found = known.get(schema);
  if (found !== undefined) return found;
  const rules = schema['x-kubernetes-validations'];
  const parts = [schema.items, schema.additionalProperties, ...Object.values(schema.properties ?? {})];
  found = (Array.isArray(rules) && rules.length > 0) || parts.some((part) => isRecord(part) && hasRules(part as JsonSchema));
  known.set(schema, found);
  return found;
}

function check(node: Node): FieldError[] {
  const run: Run = { errors: [], left: perObjectCostLimit };
  try {
    visit(node, run);
  } catch (error) {
    if (!(error instanceof Exhausted)) throw error;
  }
  return run.errors;
}

/** What the rules of a schema (x-kubernetes-validations) say about a custom object. `old` is its state before an update. */
export function checkRules(object: unknown, schema: JsonSchema, old?: unknown): FieldError[] {
  return check({ schema, path: '', value: object, old: old ?? undefined, isResource: true, isUpdate: true, isUnchanged: () => old !== undefined && deepEqual(old, object) });
}

/** What the rules of a schema say about its default, which compares with itself as if nothing had changed. */
export function checkDefaultRules(value: unknown, schema: JsonSchema, path: string): FieldError[] {
  return check({ schema, path, value, old: value, isResource: schema['x-kubernetes-embedded-resource'] === true, isUpdate: false, isUnchanged: () => false });
}
