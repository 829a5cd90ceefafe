import type { Labels, Metrics } from '@orrery/runtime';
import type { Tag } from '../deciding/decide.ts';
import { hostOf } from '../routing/paths.ts';
import type { ProxyRecord } from '../proxy.ts';
import { type ControllerLabels, metricName as name } from './controller-metrics.ts';

const timeBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Few requests are so short, but these are ingress-nginx's; `bytes_sent` tells sizes apart. */
const lengthBuckets: readonly number[] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
const sizeBuckets: readonly number[] = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/** Counts requests by ingress-nginx's names and labels. Requests for hosts that no Ingress has are counted too, by the host `_`, and those of wildcards by the wildcard; there they are not counted by default. */
export function requestMetrics(metrics: Metrics, controller: ControllerLabels): (record: ProxyRecord, tag: Tag) => void {
  const requests = metrics.counter(name('requests'), 'The total number of client requests');
  const duration = metrics.histogram(name('request_duration_seconds'), 'The request processing time in seconds', timeBuckets);
  const requestSize = metrics.histogram(name('request_size'), 'The request length (including request line, header, and request body)', lengthBuckets);
  const responseSize = metrics.histogram(name('response_size'), 'The response length (including request line, header, and request body)', lengthBuckets);
  const bytesSent = metrics.histogram(name('bytes_sent'), 'DEPRECATED The number of bytes sent to a client', sizeBuckets);
  const processed = metrics.counter(name('nginx_process_requests_total'), 'total number of client requests').with({ ...controller });
  const responseTime = metrics.histogram(name('response_duration_seconds'), 'The time spent on receiving the response from the upstream server', timeBuckets);
  const connectTime = metrics.histogram(name('connect_duration_seconds'), 'The time spent on establishing a connection with the upstream server', timeBuckets);
  const headerTime = metrics.histogram(name('header_duration_seconds'), 'The time spent on receiving first header from the upstream server', timeBuckets);
  return (record, tag) => {
    const { location, backend, alternative } = tag;
    const labels: Labels = {
      ...controller,
      namespace: location?.namespace ?? '',
      ingress: location?.ingress.split('/')[1] ?? '',
      service: backend?.service ?? '',
      canary: alternative,
      host: location ? (location.host.startsWith('*') || location.host === '' ? location.host || '_' : hostOf(record.request.host)) : '_',
      path: location?.matcher.path ?? '',
      method: record.request.method,
      status: String(record.status),
    };
    processed.inc();
    requests.inc(labels);
    duration.observe(record.seconds, labels);
    requestSize.observe(record.requestBytes, labels);
    responseSize.observe(record.bytesSent, labels);
    bytesSent.observe(record.bytesSent, labels);
    const last = record.attempts.at(-1);
    if (!last) return;
    responseTime.observe(last.seconds, labels);
    connectTime.observe(last.connectSeconds, labels);
    headerTime.observe(last.headerSeconds, labels);
  };
}
