import type { CertificateFacts } from '@orrery/node-io/pki';
import type { Env, Labels, Sample } from '@orrery/runtime';
import { hash } from '../deciding/balance.ts';
import { type Backends, endpointsOf } from '../routing/backends.ts';
import type { Certificate, RoutingTable } from '../routing/table.ts';

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
  /** What a certificate (PEM) says of itself. Throws for what is none. */
  readonly certificateFacts: (pem: string) => CertificateFacts;
  /** What hosts show that have no certificate of their own (PEM); without it nothing is told of these. */
  readonly fallbackCertificate?: string | undefined;
  readonly connections: () => number;
}

export interface ReloadReport {
  /** `configuration`: the one that is in force now, as text; asked for at most once. */
  reloaded(configuration: () => string): void;
  failed(): void;
}

type Shown = Pick<Certificate, 'cert' | 'namespace' | 'secret'>;

/** Certificates by host, `_` for hosts of no Ingress; those that can be read. */
function certificateReader({ table, certificateFacts, fallbackCertificate }: ControllerMetricsDeps): () => { host: string; shown: Shown; facts: CertificateFacts }[] {
  const fallback: Shown | undefined = fallbackCertificate ? { cert: fallbackCertificate, namespace: '', secret: '' } : undefined;
  // Reading one takes longer than all else at a scrape.
  const known = new WeakMap<Shown, CertificateFacts | undefined>();
  const read = (shown: Shown): CertificateFacts | undefined => {
    if (known.has(shown)) return known.get(shown);
    let facts: CertificateFacts | undefined;
    try {
      facts = certificateFacts(shown.cert);
    } catch {
      facts = undefined; // the proxy says so when a client asks for the host
    }
    known.set(shown, facts);
    return facts;
  };
  return () => {
    const now = table();
    const ofIngresses = [...now.hosts].filter(([host]) => host).map(([host, locations]) => ({ host, shown: now.certificate(host) ?? (locations.some(({ tls }) => tls) ? fallback : undefined) }));
    return [...ofIngresses, { host: '_', shown: fallback }].flatMap(({ host, shown }) => {
      const facts = shown && read(shown);
      return facts ? [{ host, shown, facts }] : [];
    });
  };
}

/** The numbers of these certificates' ends, and all that names them. */
function certificateMetrics({ metrics }: Pick<Env, 'metrics'>, deps: ControllerMetricsDeps): void {
  const { controller_class, controller_namespace } = deps.labels;
  const certificates = certificateReader(deps);
  metrics.collect(metricName('ssl_expire_time_seconds'), { type: 'gauge', help: 'Number of seconds since 1970 to the SSL Certificate expire.' }, () =>
    // By ingress-nginx's labels the namespace is the controller's here, and the Secret's below.
    certificates().map(({ host, shown, facts }) => ({ labels: { class: controller_class, host, namespace: controller_namespace, secret_name: shown.secret }, value: Math.floor(facts.notAfterMs / 1000) })),
  );
  metrics.collect(metricName('ssl_certificate_info'), { type: 'gauge', help: 'Hold all labels associated to a certificate' }, () =>
    certificates().map(({ host, shown, facts }) => ({
      labels: {
        class: controller_class,
        host,
        identifier: `${facts.issuerSerialNumber}-${facts.serialNumber}`,
        issuer_common_name: facts.issuerCommonName,
        issuer_organization: facts.issuerOrganization,
        namespace: shown.namespace,
        public_key_algorithm: facts.publicKeyAlgorithm,
        secret_name: shown.secret,
        serial_number: facts.serialNumber,
      },
      value: 1,
    })),
  );
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
  certificateMetrics({ metrics }, deps);
  metrics.collect(metricName('orphan_ingress'), { type: 'gauge', help: 'Gauge reporting status of ingress orphanity, 1 indicates orphaned ingress.' }, () => orphanSamples(deps));
  metrics.collect(metricName('nginx_process_connections'), { type: 'gauge', help: 'current number of client connections with state {active, reading, writing, waiting}' }, () => [{ labels: { ...labels, state: 'active' }, value: deps.connections() }]);
  let configuration: (() => string) | undefined;
  let hashed: number | undefined;
  // Of no use but to those who compare it with another controller's: made when they ask.
  metrics.collect(metricName('config_hash'), { type: 'gauge', help: 'Running configuration hash actually running' }, () => {
    deps.table(); // takes over what has changed
    return [{ labels, value: (hashed ??= configuration ? hash(configuration()) : 0) }];
  });
  return {
    reloaded(text) {
      configuration = text;
      hashed = undefined;
      successes.inc(labels);
      successful.set(1, labels);
      since.set(Math.floor(clock.now() / 1000), labels);
    },
    failed() {
      configuration = undefined;
      hashed = undefined;
      errors.inc(labels);
      successful.set(0, labels);
    },
  };
}
