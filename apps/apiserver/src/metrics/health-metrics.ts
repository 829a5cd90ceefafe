import type { Counter, Gauge, Metrics } from '@orrery/runtime';
import type { HealthCheck } from '../server.ts';

/** The service level indicators of /metrics/slis: what health checks said when they were asked. */
export class HealthMetrics {
  private readonly state: Gauge;
  private readonly total: Counter;

  constructor(metrics: Metrics) {
    this.state = metrics.gauge('kubernetes_healthcheck', 'This metric records the result of a single healthcheck.');
    this.total = metrics.counter('kubernetes_healthchecks_total', 'This metric records the results of all healthcheck.');
  }

  /** `type` is the endpoint: healthz, livez, readyz. */
  checked(type: string, { name, failure }: HealthCheck): void {
    this.state.set(failure === undefined ? 1 : 0, { name, type });
    this.total.inc({ name, type, status: failure === undefined ? 'success' : 'error' });
  }
}
