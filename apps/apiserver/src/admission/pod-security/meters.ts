import type { BoundCounter, Counter, Metrics } from '@orrery/runtime';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import type { LevelVersion } from './policy.ts';

export interface PodSecurityMeters {
  /** A verdict of one mode; upstream counts those of `audit` and `warn` only where something was wrong. */
  evaluated(attributes: AdmissionAttributes, verdict: { readonly decision: 'allow' | 'deny'; readonly mode: 'enforce' | 'audit' | 'warn'; readonly policy: LevelVersion }): void;
  exempted(attributes: AdmissionAttributes): void;
}

interface RequestLabels {
  readonly request_operation: string;
  readonly resource: string;
  readonly subresource: string;
}

const requestLabels = ({ operation, kind, subresource }: AdmissionAttributes): RequestLabels => ({ request_operation: operation.toLowerCase(), resource: kind.resource === 'pods' ? 'pod' : 'controller', subresource });

/** Series are few, and looked up by every Pod that is made. */
function bound(counter: Counter): (labels: Readonly<Record<string, string>>) => BoundCounter {
  const known = new Map<string, BoundCounter>();
  return (labels) => {
    const key = Object.values(labels).join('/');
    let series = known.get(key);
    if (!series) known.set(key, (series = counter.with(labels)));
    return series;
  };
}

/** Upstream's counts of what Pod Security decided. */
export function podSecurityMeters(metrics: Pick<Metrics, 'counter'>): PodSecurityMeters {
  const evaluations = bound(metrics.counter('pod_security_evaluations_total', 'Number of policy evaluations that occurred, not counting ignored or exempt requests.'));
  const exemptions = bound(metrics.counter('pod_security_exemptions_total', 'Number of exempt requests, not counting ignored or out of scope requests.'));
  return {
    evaluated: (attributes, { decision, mode, policy }) => evaluations({ decision, mode, policy_level: policy.level, policy_version: policy.version, ...requestLabels(attributes) }).inc(),
    exempted: (attributes) => exemptions({ ...requestLabels(attributes) }).inc(),
  };
}
