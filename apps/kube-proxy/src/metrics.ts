import { type Env, featureMetric, latencyBuckets } from '@orrery/runtime';

/** Metrics of upstream's kube-proxy, by its names. */
export interface ProxyMetrics {
  /** One object changed; `kind` is how upstream counts it. */
  changed(kind: 'service' | 'endpoint'): void;
  queued(): void;
  /** Times a sync. `full` is upstream's word for one that programs everything anew. */
  sync<T>(full: boolean, work: () => Promise<T>): Promise<T>;
  /** Services that a `Local` policy leaves without an endpoint on this node. */
  noLocalEndpoints(policy: 'internal' | 'external', services: number): void;
  /** How long a change of endpoints took from its trigger (`endpoints.kubernetes.io/last-change-trigger-time`), in ms. */
  programmed(sinceMs: number): void;
  failed(): void;
}

const triggerBuckets: readonly number[] = [0.25, 0.5, ...Array.from({ length: 59 }, (_, i) => i + 1), ...Array.from({ length: 12 }, (_, i) => 65 + 5 * i), 150, 180, 210, 240, 270, 300];

export function createProxyMetrics({ metrics, clock }: Pick<Env, 'metrics' | 'clock'>, options: { failures: { name: string; help: string }; featureGates?: readonly string[] }): ProxyMetrics {
  featureMetric(metrics, options.featureGates ?? []);
  const seconds = metrics.histogram('kubeproxy_sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds', latencyBuckets);
  const full = metrics.histogram('kubeproxy_sync_full_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds for full resyncs', latencyBuckets);
  const partial = metrics.histogram('kubeproxy_sync_partial_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds for partial resyncs', latencyBuckets);
  const programming = metrics.histogram('kubeproxy_network_programming_duration_seconds', 'In Cluster Network Programming Latency in seconds', triggerBuckets);
  const last = metrics.gauge('kubeproxy_sync_proxy_rules_last_timestamp_seconds', 'The last time proxy rules were successfully synced');
  const lastQueued = metrics.gauge('kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds', 'The last time a sync of proxy rules was queued');
  const noLocal = metrics.gauge('kubeproxy_sync_proxy_rules_no_local_endpoints_total', 'Number of services with a Local traffic policy and no endpoints');
  const failures = metrics.counter(options.failures.name, options.failures.help);
  const counts = (['service', 'endpoint'] as const).map((kind) => ({
    kind,
    total: metrics.counter(`kubeproxy_sync_proxy_rules_${kind}_changes_total`, `Cumulative proxy rules ${kind} changes`),
    pending: metrics.gauge(`kubeproxy_sync_proxy_rules_${kind}_changes_pending`, `Pending proxy rules ${kind} changes`),
    waiting: 0,
  }));
  return {
    changed(kind) {
      for (const count of counts) {
        if (count.kind !== kind) continue;
        count.total.inc();
        count.pending.set(++count.waiting);
      }
    },
    queued: () => lastQueued.set(clock.now() / 1000),
    async sync(isFull, work) {
      for (const count of counts) count.pending.set((count.waiting = 0));
      const began = clock.monotonic();
      const result = await work();
      const took = (clock.monotonic() - began) / 1000;
      seconds.observe(took);
      (isFull ? full : partial).observe(took);
      last.set(clock.now() / 1000);
      return result;
    },
    noLocalEndpoints: (policy, services) => noLocal.set(services, { traffic_policy: policy }),
    programmed: (sinceMs) => programming.observe(sinceMs / 1000),
    failed: () => failures.inc(),
  };
}
