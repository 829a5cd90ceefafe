import type { Labels, Metrics } from '@orrery/runtime';
import type { Tag } from '../deciding/decide.ts';
import { hostOf } from '../routing/paths.ts';
import type { ProxyRecord } from '../proxy.ts';

const timeBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const sizeBuckets: readonly number[] = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/** Counts requests by ingress-nginx's names. */
export function requestMetrics(metrics: Metrics): (record: ProxyRecord, tag: Tag) => void {
  const name = (text: string): string => `nginx_ingress_controller_${text}`;
  const requests = metrics.counter(name('requests'), 'The total number of client requests');
  const duration = metrics.histogram(name('request_duration_seconds'), 'The request processing time in seconds', timeBuckets);
  const requestSize = metrics.histogram(name('request_size'), 'The request length (including request line, header, and request body)', sizeBuckets);
  const responseSize = metrics.histogram(name('response_size'), 'The response length (including request line, header, and request body)', sizeBuckets);
  const responseTime = metrics.histogram(name('response_duration_seconds'), 'The time spent on receiving the response from the upstream server', timeBuckets);
  const connectTime = metrics.histogram(name('connect_duration_seconds'), 'The time spent on establishing a connection with the upstream server', timeBuckets);
  const headerTime = metrics.histogram(name('header_duration_seconds'), 'The time spent on receiving first header from the upstream server', timeBuckets);
  return (record, tag) => {
    const { location, backend, alternative } = tag;
    const labels: Labels = {
      namespace: location?.namespace ?? '',
      ingress: location?.ingress.split('/')[1] ?? '',
      service: backend?.service ?? '',
      canary: alternative,
      host: location ? (location.host.startsWith('*') || location.host === '' ? location.host || '_' : hostOf(record.request.host)) : '_',
      path: location?.matcher.path ?? '',
      method: record.request.method,
      status: String(record.status),
    };
    requests.inc(labels);
    duration.observe(record.seconds, labels);
    requestSize.observe(record.requestBytes, labels);
    responseSize.observe(record.bytesSent, labels);
    const last = record.attempts.at(-1);
    if (!last) return;
    responseTime.observe(last.seconds, labels);
    connectTime.observe(last.connectSeconds, labels);
    headerTime.observe(last.headerSeconds, labels);
  };
}
