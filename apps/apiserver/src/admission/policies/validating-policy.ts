import type { ExpressionScope } from '@orrery/api';
import type { ValidatingAdmissionPolicy } from '@orrery/api/types';
import { perObjectCostLimit } from '@orrery/cel';
import { conditionsHold } from '../expressions/conditions.ts';
import { Evaluation, type Expression, type Inputs, type NamedExpression, OutOfBudget, composed, expression } from '../expressions/evaluation.ts';
import type { ErrorType } from './metrics.ts';

interface Validation extends Expression {
  readonly message: string;
  readonly messageExpression: Expression | undefined;
  readonly reason: string;
}

/** A policy whose expressions are compiled. */
export interface CompiledPolicy {
  readonly fails: 'open' | 'closed';
  readonly conditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly validations: readonly Validation[];
  readonly auditAnnotations: readonly NamedExpression[];
}

/** What one validation came to. `deny` with an error is failurePolicy's doing. */
export interface Decision {
  readonly action: 'admit' | 'deny';
  readonly error: ErrorType;
  readonly message: string;
  /** Of the status; empty for errors. */
  readonly reason: string;
}

export type Annotation = { readonly key: string; readonly value: string; readonly error?: undefined } | { readonly key: string; readonly error: string; readonly value?: undefined };

export interface Verdict {
  readonly decisions: readonly Decision[];
  readonly annotations: readonly Annotation[];
}

const maxMessageBytes = 5 * 1024;
const compiledPolicies = new WeakMap<ValidatingAdmissionPolicy, CompiledPolicy>();

function compilePolicy({ spec = {} }: ValidatingAdmissionPolicy): CompiledPolicy {
  const base: ExpressionScope = { hasParams: spec.paramKind !== undefined, hasPatchTypes: false };
  const { variables, scope } = composed(spec.variables ?? [], base);
  return {
    fails: spec.failurePolicy === 'Ignore' ? 'open' : 'closed',
    conditions: (spec.matchConditions ?? []).map(({ name, expression: source }) => ({ ...expression('matchCondition', source, scope), name })),
    variables,
    validations: (spec.validations ?? []).map(({ expression: source = '', message = '', messageExpression, reason }) => ({
      ...expression('validation', source, scope),
      message: message.trim(),
      messageExpression: messageExpression ? expression('message', messageExpression, scope) : undefined,
      reason: reason || 'Invalid',
    })),
    auditAnnotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }) => ({ ...expression('auditAnnotation', valueExpression.trim(), scope), name: key })),
  };
}

/** Compiled once: a policy in the cache stays the same object until it changes. */
export function compiledPolicy(policy: ValidatingAdmissionPolicy): CompiledPolicy {
  let found = compiledPolicies.get(policy);
  if (!found) compiledPolicies.set(policy, (found = compilePolicy(policy)));
  return found;
}

const failure = ({ fails }: CompiledPolicy, message: string, error: ErrorType): Decision => ({ action: fails === 'open' ? 'admit' : 'deny', error, message, reason: '' });

/** messageExpression if it gives a decent line, else message, else the expression. */
function messageOf({ messageExpression, message, source }: Validation, messages: Evaluation): string {
  const made = messageExpression && messages.evaluate(messageExpression).value;
  const line = typeof made === 'string' ? made.trim() : '';
  if (line && Buffer.byteLength(line) <= maxMessageBytes && !line.includes('\n')) return line;
  return message || `failed expression: ${source.trim()}`;
}

function decide(policy: CompiledPolicy, validation: Validation, { evaluation, messages }: { evaluation: Evaluation; messages: () => Evaluation }): Decision {
  const { value, problem } = evaluation.evaluate(validation);
  if (problem) return failure(policy, problem.message, problem.kind);
  if (value === true) return { action: 'admit', error: 'no_error', message: '', reason: '' };
  try {
    return { action: 'deny', error: 'no_error', message: messageOf(validation, messages()), reason: validation.reason };
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return failure(policy, `failed messageExpression: ${error.message}`, 'out_of_budget');
  }
}

/** An annotation whose expression gives null or nothing is left out. */
function annotate(policy: CompiledPolicy, annotation: NamedExpression, evaluation: Evaluation): Annotation[] {
  const { value, problem } = evaluation.evaluate(annotation);
  const key = annotation.name;
  if (problem) return policy.fails === 'open' ? [] : [{ key, error: problem.message }];
  const text = typeof value === 'string' ? value.trim() : '';
  return text ? [{ key, value: text }] : [];
}

/** Evaluates a policy about one write with one param. */
export function evaluatePolicy(policy: CompiledPolicy, inputs: Inputs): Verdict {
  const { variables } = policy;
  const conditions = conditionsHold(policy.conditions, { inputs: { ...inputs, namespaceObject: null }, variables });
  if (conditions.error !== undefined) return { decisions: policy.fails === 'open' ? [] : [failure(policy, conditions.error, 'invalid_error')], annotations: [] };
  if (!conditions.matches) return { decisions: [], annotations: [] };
  try {
    const evaluation = new Evaluation({ inputs, variables, budget: perObjectCostLimit });
    let own: Evaluation | undefined;
    const messages = (): Evaluation => (own ??= new Evaluation({ inputs, variables, budget: evaluation.remaining }));
    const decisions = policy.validations.map((validation) => decide(policy, validation, { evaluation, messages }));
    const annotating = new Evaluation({ inputs, variables, budget: perObjectCostLimit });
    return { decisions, annotations: policy.auditAnnotations.flatMap((annotation) => annotate(policy, annotation, annotating)) };
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return { decisions: [failure(policy, error.message, 'out_of_budget')], annotations: [] };
  }
}
