import { ConditionError, evaluateCondition } from '@orrery/api';
import { forbidden } from '@orrery/errors';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { subjectOf } from '../match.ts';
import type { Hook } from './hook.ts';

interface Variables {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: unknown;
}

/**
 * Do all matchConditions hold? One that does not hold decides, whatever the others ran into; otherwise an error skips the
 * webhook or, if it fails closed, refuses the write.
 */
export function conditionsHold({ webhook }: Hook, attributes: AdmissionAttributes, variables: () => Variables): boolean {
  const conditions = webhook.matchConditions ?? [];
  if (!conditions.length) return true;
  const values = { ...variables() };
  const problems: string[] = [];
  for (const { expression } of conditions) {
    try {
      if (!evaluateCondition(expression, values)) return false;
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      problems.push(`expression '${expression}' resulted in error: ${error.message}`);
    }
  }
  if (!problems.length) return true;
  if (webhook.failurePolicy === 'Ignore') return false;
  throw forbidden(subjectOf(attributes), problems.length === 1 ? (problems[0] as string) : `[${problems.join(', ')}]`);
}
