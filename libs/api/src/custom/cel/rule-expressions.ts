import { isRecord } from '@orrery/apimachinery';
import { type CelType, dynType, maxRequestBytes, perDefinitionEstimateLimit, perExpressionEstimateLimit } from '@orrery/cel';
import type { FieldPath } from '../../validation/field-path.ts';
import type { JsonSchema } from '../json-schema.ts';
import { type Rule, type RuleProgram, ruleSet } from './rule-program.ts';
import { checkDefaultRules } from './rules.ts';

/** Where a schema stands among others. */
interface Place {
  readonly at: FieldPath;
  readonly isResource: boolean;
  /** How often its values may be there; undefined: as often as a request holds them. */
  readonly count: number | undefined;
  /** The list around it whose items cannot be told apart over time. */
  readonly uncorrelatable: string | undefined;
}

interface Costly {
  readonly at: FieldPath;
  readonly cost: number;
}

const most = 2 ** 64;

/** What upstream's internal form shows of a rule. */
const shown = ({ rule, message, messageExpression, reason, fieldPath, optionalOldSelf }: Rule): unknown => ({
  Rule: rule, Message: message ?? '', MessageExpression: messageExpression ?? '', Reason: reason ?? null, FieldPath: fieldPath ?? '', OptionalOldSelf: optionalOldSelf ?? null,
});

function tooCostly(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const times = factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${times} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

const sum = (costs: readonly Costly[]): number => Math.min(most, costs.reduce((total, { cost }) => total + cost, 0));

class RuleCheck {
  readonly costs: Costly[] = [];

  visit(schema: JsonSchema, place: Place): void {
    for (const [member, inner] of this.members(schema, place)) this.visit(member, inner);
    const rules = schema['x-kubernetes-validations'];
    if (Array.isArray(rules) && rules.length) this.checkRules(schema, place);
  }

  /** Those below a schema, in upstream's order. */
  private members(schema: JsonSchema, { at, count, uncorrelatable }: Place): [JsonSchema, Place][] {
    const found: [JsonSchema, Place][] = [];
    const add = (part: unknown, path: () => FieldPath, more: Partial<Place> = {}): void => {
      if (!isRecord(part)) return;
      const inner = part as JsonSchema;
      found.push([inner, { at: path(), isResource: inner['x-kubernetes-embedded-resource'] === true, count, uncorrelatable, ...more }]);
    };
    const scaled = (limit: unknown): number | undefined => (count === undefined || typeof limit !== 'number' ? undefined : Math.min(most, count * Math.max(0, limit)));
    add(schema.additionalProperties, () => at.child('additionalProperties'), { count: scaled(schema['maxProperties']) });
    for (const [name, property] of Object.entries(schema.properties ?? {})) add(property, () => at.child('properties').at(name));
    const isMap = schema['x-kubernetes-list-type'] === 'map';
    add(schema.items, () => at.child('items'), { count: scaled(schema['maxItems']), uncorrelatable: uncorrelatable ?? (isMap ? undefined : at.path) });
    return found;
  }

  private checkRules(schema: JsonSchema, place: Place): void {
    const list = place.at.child('x-kubernetes-validations');
    const { type, programs } = ruleSet(schema, place.isResource);
    if (!type) list.errors.push({ reason: 'InternalError', field: list.path, message: 'Internal error: internal error: failed to retrieve type information for x-kubernetes-validations' });
    for (const [i, program] of programs.entries()) this.checkRule(program, { at: list.at(i), type: type ?? dynType, place });
  }

  private checkRule(program: RuleProgram, { at, type, place }: { readonly at: FieldPath; readonly type: CelType; readonly place: Place }): void {
    const { rule, test, problem, message, messageProblem, usesOld } = program;
    const path = at.child('rule');
    if (test) this.observe('estimated rule cost', path, test.estimateCost().max * (place.count ?? Math.floor(maxRequestBytes / ((type.minBytes ?? 0) + 1))));
    if (problem !== undefined) path.invalid(shown(rule), problem);
    if (messageProblem !== undefined) at.child('messageExpression').invalid(shown(rule), messageProblem);
    else if (message) this.observe('estimated messageExpression cost', at.child('messageExpression'), message.estimateCost().max);
    if (usesOld && place.uncorrelatable !== undefined) path.invalid(rule.rule, `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelatable}`);
  }

  private observe(what: string, at: FieldPath, estimated: number): void {
    const cost = Math.min(most, estimated);
    if (cost > perExpressionEstimateLimit) at.forbidden(tooCostly(what, cost, perExpressionEstimateLimit));
    this.costs.push({ at, cost });
  }
}

const shownCosts = 4;

/** Defaults have to satisfy the rules too. */
function checkDefaults(schema: JsonSchema, at: FieldPath): void {
  if (schema.default !== undefined && schema.default !== null) at.errors.push(...checkDefaultRules(schema.default, schema, at.child('default').path));
  if (isRecord(schema.items)) checkDefaults(schema.items as JsonSchema, at.child('items'));
  if (isRecord(schema.additionalProperties)) checkDefaults(schema.additionalProperties as JsonSchema, at.child('additionalProperties'));
  for (const [name, property] of Object.entries(schema.properties ?? {})) if (isRecord(property)) checkDefaults(property as JsonSchema, at.child('properties').at(name));
}

/** Compiles all rules in CEL of a schema that is otherwise in order: reports what does not compile, costs too much, can never apply, or does not hold of a default. */
export function checkRuleExpressions(root: JsonSchema, at: FieldPath): void {
  const check = new RuleCheck();
  const before = at.errors.length;
  check.visit(root, { at, isResource: true, count: 1, uncorrelatable: undefined });
  if (at.errors.length === before) checkDefaults(root, at);
  const total = sum(check.costs);
  if (total <= perDefinitionEstimateLimit) return;
  const worst = check.costs.filter(({ cost }) => cost >= perDefinitionEstimateLimit / 100).sort((a, b) => b.cost - a.cost).slice(0, shownCosts);
  for (const one of worst) one.at.forbidden('contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema');
  at.forbidden(tooCostly('x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema', total, perDefinitionEstimateLimit));
}
