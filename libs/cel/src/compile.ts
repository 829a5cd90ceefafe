import type { Environment } from './environment.ts';
import { evaluate } from './legacy/evaluate.ts';
import { CelSyntaxError, type Expression, parseCel, partsOf } from './legacy/syntax.ts';
import { CelError, celValue } from './legacy/values.ts';
import { perCallCostLimit } from './limits.ts';
import { type CelType, dynType } from './types.ts';
import type { CelValue } from './values.ts';

/** One thing wrong with an expression; `line` and `column` count from 1 and 0 as in cel-go. */
export interface CelIssue {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** Why an expression did not compile: `text` is all issues as cel-go prints them, with the source line and a caret. */
export interface CompileFailure {
  readonly issues: readonly CelIssue[];
  readonly text: string;
}

export interface EvaluateOptions {
  /** Cost units this evaluation may take; by default upstream's per-call limit, 1,000,000. */
  readonly costBudget?: number;
  /** Aborts when it is signalled. */
  readonly signal?: AbortSignal;
}

/** What an evaluation came to, and the cost units it took. `error` has upstream's text. */
export type Outcome =
  | { readonly value: CelValue; readonly cost: number; readonly error?: undefined }
  | { readonly error: CelFailure; readonly cost: number; readonly value?: undefined };

/** `runtime`: the expression ran into an error; `cost`: it took more than its budget; `pending`: an answer needs evaluateAsync. */
export interface CelFailure {
  readonly kind: 'runtime' | 'cost' | 'pending' | 'aborted';
  readonly message: string;
}

/**
 * Values by the names the environment declares. JSON is read by the declared type, without copying: it must not change
 * meanwhile. A `CelValue` of an earlier program is taken as it is; `lazy(…)` is computed when first used.
 */
export type Bindings = Readonly<Record<string, unknown>>;

export interface CostEstimate {
  readonly min: number;
  readonly max: number;
}

export interface Program {
  readonly source: string;
  readonly resultType: CelType;
  /** The declared variables that it uses. */
  readonly references: ReadonlySet<string>;
  /** Synchronous: the way for everything without authorizer, and with authorizers that answer at once. Never throws for what an expression does. */
  evaluate(bindings: Bindings, options?: EvaluateOptions): Outcome;
  /** Waits for authorizers that answer later; runs again from the start for each such answer. */
  evaluateAsync(bindings: Bindings, options?: EvaluateOptions): Promise<Outcome>;
  /** Cost units it takes at least and at most by the sizes that types declare. At most 2^64. */
  estimateCost(): CostEstimate;
}

export type Compilation = { readonly program: Program; readonly failure?: undefined } | { readonly failure: CompileFailure; readonly program?: undefined };


export interface CompileOptions {
  /** What the result may be; anything else fails with `must evaluate to …`. A dyn result always passes. */
  readonly expect?: CelType | readonly CelType[];
}

const anything: Record<string, unknown> = {};
anything['additionalProperties'] = anything;
anything['items'] = anything;

/** Parses and type-checks. Never throws for any source. */
export function compile(source: string, env: Environment, _options: CompileOptions = {}): Compilation {
  try {
    const parsed = parseCel(source);
    return { program: interim(source, parsed, env) };
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    const text = `ERROR: <input>:1:1: Syntax error: ${error.message}\n | ${source}\n | ^`;
    return { failure: { issues: [{ message: `Syntax error: ${error.message}`, line: 1, column: 0 }], text } };
  }
}

function interim(source: string, parsed: Expression, env: Environment): Program {
  const references = new Set([...partsOf(parsed)].flatMap((part) => (part.type === 'name' && Object.hasOwn(env.variables, part.name) ? [part.name] : [])));
  const run: Program['evaluate'] = (bindings, options = {}) => {
    const budget = { left: options.costBudget ?? perCallCostLimit };
    try {
      const names = new Map<string, unknown>(Object.entries(bindings).map(([name, value]) => [name, celValue(value ?? null, anything)]));
      const value = evaluate(parsed, { names, budget }) as CelValue;
      return { value, cost: (options.costBudget ?? perCallCostLimit) - budget.left };
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      return { error: { kind: budget.left < 0 ? 'cost' : 'runtime', message: error.message }, cost: 0 };
    }
  };
  return { source, resultType: dynType, references, evaluate: run, evaluateAsync: async (bindings, options) => run(bindings, options), estimateCost: () => ({ min: 0, max: 0 }) };
}
