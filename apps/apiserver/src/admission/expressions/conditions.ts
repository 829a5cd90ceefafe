import { perMatchConditionsCostLimit } from '@orrery/cel';
import { Evaluation, type Inputs, type NamedExpression, OutOfBudget } from './evaluation.ts';

/** `error` is all that went wrong, as upstream puts it together; what to do about it is for failurePolicy to say. */
export type ConditionsResult = { readonly matches: boolean; readonly error?: undefined } | { readonly error: string; readonly matches?: undefined };

function together(problems: readonly string[]): string {
  const different = [...new Set(problems)];
  return different.length === 1 ? (different[0] ?? '') : `[${different.join(', ')}]`;
}

/** Do all matchConditions hold? One that does not hold decides, whatever others ran into. */
export function conditionsHold(conditions: readonly NamedExpression[], about: { inputs: Inputs; variables?: readonly NamedExpression[] }): ConditionsResult {
  if (!conditions.length) return { matches: true };
  const evaluation = new Evaluation({ ...about, budget: perMatchConditionsCostLimit });
  try {
    const results = conditions.map((one) => evaluation.evaluate(one));
    if (results.some(({ value }) => value === false)) return { matches: false };
    const problems = results.flatMap(({ problem }) => (problem ? [problem.message] : []));
    return problems.length ? { error: together(problems) } : { matches: true };
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return { error: error.message };
  }
}
