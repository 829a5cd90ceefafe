import type { CompiledExpression, ExpressionScope, ExpressionSort } from '@orrery/api';
import { compileExpression } from '@orrery/api';
import { CelError, type CelType, type CelValue, dynType, lazy } from '@orrery/cel';

/** An expression ready to run, or why it is not. */
export interface Expression {
  readonly source: string;
  readonly compiled: CompiledExpression;
}

export interface NamedExpression extends Expression {
  readonly name: string;
}

/** What expressions see, by name: JSON, or null for what is not there. `authorizer` as `Asking` makes it. */
export interface Inputs {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: unknown;
  readonly params: unknown;
  readonly namespaceObject: unknown;
  readonly authorizer: unknown;
}

/** `kind` is what metrics call it. */
export interface Problem {
  readonly kind: 'compile_error' | 'invalid_error' | 'out_of_budget';
  readonly message: string;
}

export type Result = { readonly value: CelValue; readonly problem?: undefined } | { readonly problem: Problem; readonly value?: undefined };

/** The policy took more than it may: nothing further is evaluated. */
export class OutOfBudget extends Error {
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run');
  }
}

export function expression(sort: ExpressionSort, source: string, scope: ExpressionScope): Expression {
  return { source, compiled: compileExpression(sort, source, scope) };
}

/** Compiles a policy's variables in order, each seeing those before it; returns them with the scope that sees all. */
export function composed(variables: readonly { name: string; expression: string }[], scope: ExpressionScope): { variables: readonly NamedExpression[]; scope: ExpressionScope } {
  const types: Record<string, CelType> = {};
  const compiled = variables.map(({ name, expression: source }) => {
    const made = expression('variable', source, { ...scope, variables: { ...types } });
    types[name] = made.compiled.program?.resultType ?? dynType;
    return { ...made, name };
  });
  return { variables: compiled, scope: { ...scope, variables: types } };
}

/** Evaluates the expressions of one policy about one write, within the cost they may take together. Variables are computed when first used. */
export class Evaluation {
  private left: number;
  private readonly bindings: Record<string, unknown>;

  constructor({ inputs, variables = [], budget }: { inputs: Inputs; variables?: readonly NamedExpression[]; budget: number }) {
    this.left = budget;
    this.bindings = { ...inputs, variables: {} };
    this.bindings['variables'] = Object.fromEntries(variables.map((variable) => [variable.name, lazy(() => this.variable(variable))]));
  }

  /** What is left of the budget. */
  get remaining(): number {
    return this.left;
  }

  /** Throws OutOfBudget. */
  evaluate({ source, compiled }: Expression): Result {
    if (!compiled.program) return { problem: { kind: 'compile_error', message: `compilation error: ${compiled.problem}` } };
    const { value, error, cost } = compiled.program.evaluate(this.bindings);
    this.spend(cost);
    if (error) return { problem: { kind: error.kind === 'cost' ? 'out_of_budget' : 'invalid_error', message: `expression '${source}' resulted in error: ${error.message}` } };
    return { value };
  }

  private variable({ name, compiled }: NamedExpression): CelValue {
    if (!compiled.program) throw new CelError(`composited variable ${JSON.stringify(name)} fails to compile: ${compiled.problem}`);
    const { value, error, cost } = compiled.program.evaluate(this.bindings);
    // What a variable costs shows when the expression that used it is done.
    this.left -= cost;
    if (error) throw new CelError(`composited variable ${JSON.stringify(name)} fails to evaluate: ${error.message}`);
    return value;
  }

  private spend(cost: number): void {
    this.left -= cost;
    if (this.left < 0) throw new OutOfBudget();
  }
}
