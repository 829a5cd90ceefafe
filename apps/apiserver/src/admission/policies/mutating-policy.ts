import type { ExpressionScope } from '@orrery/api';
import type { MutatingAdmissionPolicy } from '@orrery/api/types';
import { type KubeObject, type ObjectSchema, PatchError, applyJsonPatch } from '@orrery/apimachinery';
import { CelError, CelList, type CelValue, perObjectCostLimit } from '@orrery/cel';
import { conditionsHold } from '../expressions/conditions.ts';
import { Evaluation, type Expression, type Inputs, type NamedExpression, OutOfBudget, composed, expression } from '../expressions/evaluation.ts';
import { ApplyConfigurationError, applyConfiguration, constructed } from './apply-configuration.ts';
import type { ErrorType } from './metrics.ts';

export interface Mutation extends Expression {
  readonly type: 'ApplyConfiguration' | 'JSONPatch';
}

export interface CompiledPolicy {
  readonly conditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly mutations: readonly Mutation[];
}

/** A mutation that could not be made; failurePolicy says what then. */
export class MutationFailure extends Error {
  readonly kind: ErrorType;
  constructor(message: string, kind: ErrorType = 'invalid_error') {
    super(message);
    this.kind = kind;
  }
}

const compiledPolicies = new WeakMap<MutatingAdmissionPolicy, CompiledPolicy>();

function compilePolicy({ spec = {} }: MutatingAdmissionPolicy): CompiledPolicy {
  const base: ExpressionScope = { hasParams: spec.paramKind !== undefined, hasPatchTypes: true };
  const { variables, scope } = composed(spec.variables ?? [], base);
  return {
    conditions: (spec.matchConditions ?? []).map(({ name, expression: source }) => ({ ...expression('matchCondition', source, scope), name })),
    variables,
    mutations: (spec.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration: configuration }) =>
      patchType === 'JSONPatch'
        ? { ...expression('jsonPatch', jsonPatch?.expression ?? '', scope), type: 'JSONPatch' }
        : { ...expression('applyConfiguration', configuration?.expression ?? '', scope), type: 'ApplyConfiguration' },
    ),
  };
}

/** Compiled once: a policy in the cache stays the same object until it changes. */
export function compiledPolicy(policy: MutatingAdmissionPolicy): CompiledPolicy {
  let found = compiledPolicies.get(policy);
  if (!found) compiledPolicies.set(policy, (found = compilePolicy(policy)));
  return found;
}

export function policyMatches({ conditions, variables }: CompiledPolicy, inputs: Inputs): ReturnType<typeof conditionsHold> {
  return conditionsHold(conditions, { inputs: { ...inputs, namespaceObject: null }, variables });
}

/** What a mutation's expression comes to about the object as it is now. Throws MutationFailure. */
export function evaluateMutation(policy: CompiledPolicy, mutation: Mutation, inputs: Inputs): CelValue {
  if (!mutation.compiled.program) throw new MutationFailure(mutation.compiled.problem, 'compile_error');
  try {
    const { value, problem } = new Evaluation({ inputs, variables: policy.variables, budget: perObjectCostLimit }).evaluate(mutation);
    if (problem) throw new MutationFailure(problem.message, problem.kind);
    return value;
  } catch (error) {
    throw error instanceof OutOfBudget ? new MutationFailure(error.message, 'out_of_budget') : error;
  }
}

function operationsOf(value: CelValue): unknown[] {
  if (!(value instanceof CelList)) throw new MutationFailure('type mismatch: JSONPatchType.expression should evaluate to array');
  return value.values().map((operation) => {
    const { from, ...rest } = constructed(operation) as { from?: string };
    return from ? { ...rest, from } : rest;
  });
}

/** A test that does not hold is no error: the patch is not for this object. */
function patched(object: KubeObject, value: CelValue): unknown {
  try {
    return applyJsonPatch(object, operationsOf(value));
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.message.endsWith(': test failed')) return object;
    throw new MutationFailure(`JSONPath: ${error.message}`);
  }
}

/** The object with the mutation made. Throws MutationFailure. */
export function applyMutation({ type }: Mutation, value: CelValue, { object, schema }: { object: KubeObject; schema: ObjectSchema }): unknown {
  try {
    if (type === 'JSONPatch') return patched(object, value);
    const { apiVersion, kind } = object;
    return applyConfiguration(object, { ...(constructed(value) as object), apiVersion, kind }, schema);
  } catch (error) {
    throw error instanceof ApplyConfigurationError || error instanceof CelError ? new MutationFailure(error.message) : error;
  }
}
