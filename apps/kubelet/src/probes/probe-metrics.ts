import type { Pod } from '@orrery/api/types';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { type Family, type Sample, expose } from '../stats/exposition.ts';
import type { ActionResult } from './handler.ts';

/** Upper bounds in seconds: those of Prometheus' clients. */
const bounds: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How the probes of one kind of one container went. */
export class ProbeRecord {
  readonly results = { successful: 0, failed: 0, unknown: 0 };
  /** How many took no longer than the bound of the same place and longer than the one before; the last: longer than all. */
  readonly buckets: number[] = new Array<number>(bounds.length + 1).fill(0);
  seconds = 0;

  add(result: ActionResult | undefined, seconds: number): void {
    this.results[result === undefined ? 'unknown' : result.ok ? 'successful' : 'failed'] += 1;
    const at = bounds.findIndex((bound) => seconds <= bound);
    const place = at < 0 ? bounds.length : at;
    this.buckets[place] = (this.buckets[place] ?? 0) + 1;
    this.seconds += seconds;
  }
}

export interface ProbeFigures {
  readonly pod: Pod;
  readonly container: string;
  /** `Liveness`, `Readiness` or `Startup`. */
  readonly type: string;
  readonly record: ProbeRecord;
}

function durations(labels: Readonly<Record<string, string>>, { buckets, seconds }: ProbeRecord): Sample[] {
  let count = 0;
  const samples: Sample[] = buckets.map((here, i) => {
    count += here;
    return { suffix: '_bucket', labels: { ...labels, le: i < bounds.length ? String(bounds[i]) : '+Inf' }, value: count };
  });
  return [...samples, { suffix: '_sum', labels, value: seconds }, { suffix: '_count', labels, value: count }];
}

/** GET /metrics/probes: results and durations, by container and kind. */
export function probeMetrics(figures: Iterable<ProbeFigures>): string {
  const total: Sample[] = [];
  const duration: Sample[] = [];
  for (const { pod, container, type, record } of figures) {
    const labels = { container, namespace: namespaceOf(pod), pod: nameOf(pod), probe_type: type };
    for (const [result, value] of Object.entries(record.results)) if (value) total.push({ labels: { ...labels, pod_uid: uidOf(pod), result }, value });
    duration.push(...durations(labels, record));
  }
  const families: Family[] = [
    { name: 'prober_probe_duration_seconds', help: '[ALPHA] Duration in seconds for a probe response.', type: 'histogram', samples: duration },
    { name: 'prober_probe_total', help: '[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.', type: 'counter', samples: total },
  ];
  return expose(families);
}
