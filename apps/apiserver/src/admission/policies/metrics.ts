import type { Env } from '@orrery/runtime';
import type { Problem } from '../expressions/evaluation.ts';

export type ErrorType = 'no_error' | Problem['kind'];

/** One check of a policy and what came of it. */
export interface Check {
  readonly policy: string;
  readonly binding: string;
  readonly error: ErrorType;
  readonly action: 'allow' | 'audit' | 'deny' | 'warn';
  readonly elapsedMs: number;
}

const buckets = [0.000_000_5, 0.001, 0.01, 0.1, 1];

/** Upstream's metrics of policies: `apiserver_(validating|mutating)_admission_policy_check_…`. */
export function policyMetrics({ metrics }: Pick<Env, 'metrics'>, sort: 'validating' | 'mutating'): (check: Check) => void {
  const prefix = `apiserver_${sort}_admission_policy_check`;
  const of = sort === 'validating' ? 'Validation' : 'Mutation';
  const total = metrics.counter(`${prefix}_total`, `${of} admission policy check total, labeled by policy and further identified by binding and enforcement action taken.`);
  const seconds = metrics.histogram(`${prefix}_duration_seconds`, `${of} admission latency for individual ${sort === 'validating' ? 'validation' : 'mutation'} expressions in seconds, labeled by policy and further including binding and enforcement action taken.`, buckets);
  return ({ policy, binding, error, action, elapsedMs }) => {
    const labels = { policy, policy_binding: binding, error_type: error, enforcement_action: action };
    total.inc(labels);
    seconds.observe(elapsedMs / 1000, labels);
  };
}
