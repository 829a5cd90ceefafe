import type { Counter, Gauge, Metrics } from './metrics.ts';

const prefix = 'kubernetes_healthcheck';

/** Whether a metric is one of /metrics/slis, which are on no other page. */
export const isSli = (name: string): boolean => name.startsWith(prefix);

/** The service level indicators of /metrics/slis: what health checks said when they were asked. Names and help as upstream's. */
export class HealthMetrics {
  private readonly state: Gauge;
  private readonly total: Counter;

  constructor(metrics: Metrics) {
    this.state = metrics.gauge(prefix, 'This metric records the result of a single healthcheck.');
    this.total = metrics.counter(`${prefix}s_total`, 'This metric records the results of all healthcheck.');
  }

  /** `type` is the endpoint: healthz, livez, readyz. */
  checked(type: string, { name, ok }: { readonly name: string; readonly ok: boolean }): void {
    this.state.set(ok ? 1 : 0, { name, type });
    this.total.inc({ name, type, status: ok ? 'success' : 'error' });
  }
}
