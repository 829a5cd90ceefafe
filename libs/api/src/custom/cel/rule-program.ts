import { type CelType, type Environment, type Program, boolType, compile, environment, formatType, optionalType, stringType } from '@orrery/cel';
import type { JsonSchema } from '../json-schema.ts';
import { declaredType } from './declared-type.ts';

/** One entry of x-kubernetes-validations. */
export interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** A rule's expressions, compiled, or why they are not. An empty rule has neither. */
export interface RuleProgram {
  readonly rule: Rule;
  readonly test?: Program;
  readonly problem?: string;
  readonly message?: Program;
  readonly messageProblem?: string;
  /** Compares with the state before: does not apply to what is new. */
  readonly usesOld: boolean;
}

/** The rules at one place of a schema, and the type of `self` there. */
export interface RuleSet {
  readonly type: CelType | undefined;
  readonly programs: readonly RuleProgram[];
}

export function rulesOf(schema: JsonSchema): readonly Rule[] {
  const rules = schema['x-kubernetes-validations'];
  return Array.isArray(rules) ? (rules as Rule[]) : [];
}

/** Upstream names it anew each time, so that nobody relies on it. */
const selfName = 'selfType';

function compileMessage(source: string | undefined, env: Environment): Pick<RuleProgram, 'message' | 'messageProblem'> {
  if (!source?.trim()) return {};
  const { program, failure } = compile(source, env);
  if (failure) return { messageProblem: `messageExpression compilation failed: ${failure.text}` };
  return formatType(program.resultType) === formatType(stringType) ? { message: program } : { messageProblem: 'messageExpression must evaluate to a string' };
}

function compileRule(rule: Rule, env: Environment): RuleProgram {
  if (!rule.rule?.trim()) return { rule, usesOld: false };
  const { program, failure } = compile(rule.rule, env);
  if (failure) return { rule, problem: `compilation failed: ${failure.text}`, usesOld: false };
  if (program.resultType !== boolType && program.resultType.kind !== 'bool') return { rule, problem: 'cel expression must evaluate to a bool', usesOld: false };
  const message = compileMessage(rule.messageExpression, env);
  return { rule, test: program, ...message, usesOld: program.references.has('oldSelf') || message.message?.references.has('oldSelf') === true };
}

const compiled = new WeakMap<JsonSchema, RuleSet>();

/** The rules of a schema. `isResource`: it is the root, or an embedded resource. Schemas do not change, so once will do. */
export function ruleSet(schema: JsonSchema, isResource: boolean): RuleSet {
  let found = compiled.get(schema);
  if (found) return found;
  const rules = rulesOf(schema);
  const type = rules.length ? declaredType(schema, { isResource, name: selfName }) : undefined;
  if (!type) found = { type, programs: [] };
  else {
    const plain = environment({ variables: { self: type, oldSelf: type } });
    const optional = environment({ variables: { self: type, oldSelf: optionalType(type) } });
    found = { type, programs: rules.map((rule) => compileRule(rule, rule.optionalOldSelf ? optional : plain)) };
  }
  compiled.set(schema, found);
  return found;
}
