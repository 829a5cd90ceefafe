import { typeNames } from './rules.ts';
import { evaluate } from './evaluate.ts';
import { CelSyntaxError, type Expression, parseCel } from './syntax.ts';
import { CelError, celValue } from './values.ts';

/** Why a condition has no answer: it cannot be read, names something unknown, or ran into a missing key or a wrong type. */
export class ConditionError extends Error {}

const stepBudget = 1_000_000;

/** Everything is visible, at any depth. */
const anything: Record<string, unknown> = {};
anything['additionalProperties'] = anything;
anything['items'] = anything;

const parsed = new Map<string, Expression>();
const parsedAtMost = 1000;

function expressionOf(source: string): Expression {
  let found = parsed.get(source);
  if (found) return found;
  found = parseCel(source);
  if (parsed.size >= parsedAtMost) parsed.clear();
  parsed.set(source, found);
  return found;
}

/** A condition in CEL over JSON values by name (undefined is null). Throws ConditionError. */
export function evaluateCondition(source: string, variables: Readonly<Record<string, unknown>>): boolean {
  try {
    const values = Object.entries(variables).map(([name, value]) => [name, celValue(value ?? null, anything)] as const);
    const names = new Map<string, unknown>([...typeNames.map((name) => [name, name] as const), ...values]);
    const result = evaluate(expressionOf(source), { names, budget: { left: stepBudget } });
    if (typeof result !== 'boolean') throw new ConditionError('must evaluate to bool');
    return result;
  } catch (error) {
    if (error instanceof CelError || error instanceof CelSyntaxError) throw new ConditionError(error.message);
    throw error;
  }
}
