import type { Env, Labels, Sample } from '@orrery/runtime';
import { type Backends, endpointsOf } from '../routing/backends.ts';
import type { RoutingTable } from '../routing/table.ts';

export const metricName = (text: string): string => `nginx_ingress_controller_${text}`;

/** What all metrics of a controller carry. */
export interface ControllerLabels {
  readonly controller_class: string;
  readonly controller_namespace: string;
  readonly controller_pod: string;
}

export interface ControllerMetricsDeps {
  readonly labels: ControllerLabels;
  readonly backends: Backends;
  readonly table: () => RoutingTable;
  /** Milliseconds since the epoch at which a certificate (PEM) ends. Throws for what is none. */
  readonly certificateEnd: (pem: string) => number;
  readonly connections: () => number;
}

export interface ReloadReport {
  reloaded(): void;
  failed(): void;
}

function* certificateSamples({ labels, table, certificateEnd }: ControllerMetricsDeps): Iterable<Sample> {
  const now = table();
  for (const host of now.hosts.keys()) {
    const certificate = host ? now.certificate(host) : undefined;
    if (!certificate) continue;
    let endMs: number;
    try {
      endMs = certificateEnd(certificate.cert);
    } catch {
      continue; // the proxy says so when a client asks for the host
    }
    yield { labels: { class: labels.controller_class, host, namespace: labels.controller_namespace, secret_name: certificate.secret }, value: Math.floor(endMs / 1000) };
  }
}

/** By Ingress, in how far there is nothing behind it. */
function* orphanSamples({ labels, table, backends }: ControllerMetricsDeps): Iterable<Sample> {
  const orphans = new Map<string, { namespace: string; noService: boolean; noEndpoint: boolean }>();
  for (const { ingress, namespace, backend, settings } of [...table().hosts.values()].flat()) {
    const known = orphans.get(ingress) ?? { namespace, noService: false, noEndpoint: false };
    const service = backend.service ? backends.service(backend.namespace, backend.service) : undefined;
    if (!service) known.noService = true;
    else if (endpointsOf(backends, backend, settings.serviceUpstream).length === 0) known.noEndpoint = true;
    orphans.set(ingress, known);
  }
  for (const [key, { namespace, noService, noEndpoint }] of orphans) {
    const own: Labels = { ...labels, namespace, ingress: key.split('/')[1] ?? '' };
    yield { labels: { ...own, type: 'no-service' }, value: Number(noService) };
    if (!noService) yield { labels: { ...own, type: 'no-endpoint' }, value: Number(noEndpoint) };
  }
}

/** What the controller tells of itself, by ingress-nginx's names and labels. */
export function controllerMetrics({ metrics, clock }: Pick<Env, 'metrics' | 'clock'>, deps: ControllerMetricsDeps): ReloadReport {
  const labels: Labels = { ...deps.labels };
  const successful = metrics.gauge(metricName('config_last_reload_successful'), 'Whether the last configuration reload attempt was successful');
  const since = metrics.gauge(metricName('config_last_reload_successful_timestamp_seconds'), 'Timestamp of the last successful configuration reload.');
  const successes = metrics.counter(metricName('success'), 'Cumulative number of Ingress controller reload operations');
  const errors = metrics.counter(metricName('errors'), 'Cumulative number of Ingress controller errors during reload operations');
  metrics.collect(metricName('ssl_expire_time_seconds'), { type: 'gauge', help: 'Number of seconds since 1970 to the SSL Certificate expire.' }, () => certificateSamples(deps));
  metrics.collect(metricName('orphan_ingress'), { type: 'gauge', help: 'Gauge reporting status of ingress orphanity, 1 indicates orphaned ingress.' }, () => orphanSamples(deps));
  metrics.collect(metricName('nginx_process_connections'), { type: 'gauge', help: 'current number of client connections with state {active, reading, writing, waiting}' }, () => [{ labels: { ...labels, state: 'active' }, value: deps.connections() }]);
  return {
    reloaded() {
      successes.inc(labels);
      successful.set(1, labels);
      since.set(Math.floor(clock.now() / 1000), labels);
    },
    failed() {
      errors.inc(labels);
      successful.set(0, labels);
    },
  };
}
