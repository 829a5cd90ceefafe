import type { HorizontalPodAutoscaler, MetricSpec } from '@orrery/api/types';
import { type Metrics, latencyBuckets } from '@orrery/runtime';

/** What a look at an autoscaler, or at one of its metrics, came to. `spec`: what it asks for cannot be done; `internal`: something did not answer. */
export interface Verdict {
  readonly action: 'scale_up' | 'scale_down' | 'none';
  readonly error: 'none' | 'spec' | 'internal';
}

/** What one metric asks for; undefined: it could not be told. */
export interface MetricWish {
  readonly type: MetricSpec['type'];
  readonly replicas: number | undefined;
}

export function actionOf(from: number, to: number | undefined): Verdict['action'] {
  return to === undefined || to === from ? 'none' : to > from ? 'scale_up' : 'scale_down';
}

export interface AutoscalerMetrics {
  reconciled(verdict: Verdict, seconds: number): void;
  computed(type: string, verdict: Verdict, seconds: number): void;
}

const labelsOf = ({ action, error }: Verdict) => ({ action, error });

/** What upstream's controller tells, under its names; `all` is read when scraped. */
export function autoscalerMetrics(metrics: Metrics, all: () => Iterable<HorizontalPodAutoscaler>): AutoscalerMetrics {
  const name = (rest: string): string => `horizontal_pod_autoscaler_controller_${rest}`;
  const explained = "The label 'action' should be either 'scale_down', 'scale_up', or 'none'. Also, the label 'error' should be either 'spec', 'internal', or 'none'.";
  const reconciliations = metrics.counter(name('reconciliations_total'), `Number of reconciliations of HPA controller. ${explained}`);
  const reconciliation = metrics.histogram(name('reconciliation_duration_seconds'), `The time(seconds) that the HPA controller takes to reconcile once. ${explained}`, latencyBuckets);
  const computations = metrics.counter(name('metric_computation_total'), `Number of metric computations. ${explained} The label 'metric_type' corresponds to HPA.spec.metrics[*].type`);
  const computation = metrics.histogram(name('metric_computation_duration_seconds'), `The time(seconds) that the HPA controller takes to calculate one metric. ${explained} The label 'metric_type' corresponds to HPA.spec.metrics[*].type`, latencyBuckets);
  metrics.collect(name('num_horizontal_pod_autoscalers'), { type: 'gauge', help: 'Current number of controlled HPA objects.' }, () => [{ value: [...all()].length }]);
  metrics.collect(name('desired_replicas'), { type: 'gauge', help: 'Current desired replica count for HPA objects.' }, function* () {
    for (const { metadata, status } of all()) if (status) yield { labels: { namespace: metadata?.namespace ?? '', hpa_name: metadata?.name ?? '' }, value: status.desiredReplicas };
  });
  return {
    reconciled(verdict, seconds) {
      reconciliations.inc(labelsOf(verdict));
      reconciliation.observe(seconds, labelsOf(verdict));
    },
    computed(type, verdict, seconds) {
      const labels = { ...labelsOf(verdict), metric_type: type };
      computations.inc(labels);
      computation.observe(seconds, labels);
    },
  };
}
