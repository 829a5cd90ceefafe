import { type Checked, checkExpression } from './check/checker.ts';
import { checkLiterals } from './check/literals.ts';
import { estimateCost } from './cost/estimate.ts';
import type { Environment } from './environment.ts';
import { CostExceeded, Frame } from './eval/frame.ts';
import { plan } from './eval/plan.ts';
import { type Issue, IssueError, displayIssues, locate, toldIssues } from './issues.ts';
import { PendingAnswer } from './library/authorizers.ts';
import { perCallCostLimit } from './limits.ts';
import type { Expression } from './syntax/ast.ts';
import { parse } from './syntax/parser.ts';
import { type CelType, dynType, formatType } from './types.ts';
import { CelError, type CelValue } from './values.ts';

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

const expected = ({ expect }: CompileOptions): readonly CelType[] => (expect === undefined ? [] : Array.isArray(expect) ? (expect as readonly CelType[]) : [expect as CelType]);

/** cel-go speaks of the type; of several it lists them. */
function resultProblem(type: CelType, options: CompileOptions): string | undefined {
  const wanted = expected(options);
  if (!wanted.length || type.kind === 'dyn' || wanted.some((one) => formatType(one) === formatType(type))) return undefined;
  const [only] = wanted;
  return wanted.length === 1 && only ? `must evaluate to ${formatType(only)} but got ${formatType(type)}` : `must evaluate to one of [${wanted.map(formatType).join(' ')}]`;
}

function failed(source: string, issues: readonly Issue[]): Compilation {
  const found = toldIssues(issues).map(({ at, message }) => ({ message, ...locate(source, at) }));
  return { failure: { issues: found, text: displayIssues(source, issues) } };
}

function compileAnew(source: string, env: Environment): Compilation {
  try {
    const { root, issues: unparsed } = parse(source, { bindings: env.libraries.bindings === true });
    if (!root) return failed(source, unparsed);
    const checked = checkExpression(root, env);
    const issues = checked.issues.length ? checked.issues : checkLiterals(root);
    return issues.length ? failed(source, issues) : { program: program({ source, root, checked, env }) };
  } catch (error) {
    if (error instanceof IssueError) return failed(source, [{ at: error.at, message: error.message }]);
    throw error;
  }
}

/** Programs by environment and source: expressions repeat. */
const compiled = new WeakMap<Environment, Map<string, Compilation>>();
const compiledAtMost = 500;

/** Parses and type-checks. Never throws for any source. */
export function compile(source: string, env: Environment, options: CompileOptions = {}): Compilation {
  let known = compiled.get(env);
  if (!known) compiled.set(env, (known = new Map()));
  let found = known.get(source);
  if (!found) {
    if (known.size >= compiledAtMost) known.clear();
    known.set(source, (found = compileAnew(source, env)));
  }
  const problem = found.program && resultProblem(found.program.resultType, options);
  return problem === undefined ? found : { failure: { issues: [{ message: problem, line: 1, column: 0 }], text: problem } };
}

interface Parts {
  readonly source: string;
  readonly root: Expression;
  readonly checked: Checked;
  readonly env: Environment;
}

const interrupted: CelFailure = { kind: 'aborted', message: 'operation interrupted' };

function failureOf(error: unknown): CelFailure {
  if (error instanceof CelError) return { kind: 'runtime', message: error.message };
  if (error instanceof CostExceeded) return { kind: 'cost', message: error.message };
  if (error instanceof PendingAnswer) return { kind: 'pending', message: error.message };
  // Only the depth of nested data can do this: rules bound their own.
  if (error instanceof RangeError) return { kind: 'runtime', message: 'evaluation went too deep' };
  throw error;
}

function program({ source, root, checked, env }: Parts): Program {
  const { run, slots, references } = plan(root, checked, env);
  const attempt = (bindings: Bindings, { costBudget = perCallCostLimit, signal }: EvaluateOptions): Outcome | PendingAnswer => {
    if (signal?.aborted) return { error: interrupted, cost: 0 };
    const frame = new Frame({ bindings, slots, limit: costBudget });
    try {
      const value = run(frame);
      return { value, cost: frame.cost };
    } catch (error) {
      return error instanceof PendingAnswer ? error : { error: failureOf(error), cost: frame.cost };
    }
  };
  return {
    source,
    references,
    resultType: checked.types.get(root) ?? dynType,
    evaluate(bindings, options = {}) {
      const outcome = attempt(bindings, options);
      return outcome instanceof PendingAnswer ? { error: failureOf(outcome), cost: 0 } : outcome;
    },
    async evaluateAsync(bindings, options = {}) {
      for (;;) {
        const outcome = attempt(bindings, options);
        if (!(outcome instanceof PendingAnswer)) return outcome;
        await outcome.answer;
      }
    },
    estimateCost: () => estimateCost(root, checked),
  };
}
