import { type BoundHistogram, type Metrics, latencyBuckets } from '@orrery/runtime';
import type { Query, Rcode } from '../message.ts';

/** What a block with the `prometheus` plugin counts; names of https://coredns.io/plugins/metrics/. */
export interface BlockMetrics {
  observe(query: Query, reply: { readonly rcode: Rcode; readonly bytes: number; readonly seconds: number }): void;
}

const sizes: readonly number[] = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000];
const namedTypes = new Set(['A', 'AAAA', 'CNAME', 'DNSKEY', 'DS', 'HTTPS', 'MX', 'NS', 'NSEC', 'NSEC3', 'PTR', 'RRSIG', 'SOA', 'SRV', 'TXT', 'ANY']);

export function blockMetrics(metrics: Metrics, place: { readonly server: string; readonly zone: string }): BlockMetrics {
  const labels = { ...place, view: '' };
  const requests = metrics.counter('coredns_dns_requests_total', 'Counter of DNS requests made per zone, protocol and family.');
  const responses = metrics.counter('coredns_dns_responses_total', 'Counter of response status codes.');
  const duration = metrics.histogram('coredns_dns_request_duration_seconds', 'Histogram of the time (in seconds) each request took per zone.', latencyBuckets).with(labels);
  const requestSizes = metrics.histogram('coredns_dns_request_size_bytes', 'Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.', sizes);
  const responseSizes = metrics.histogram('coredns_dns_response_size_bytes', 'Size of the returned response in bytes.', sizes);
  const known = new Map<string, { inc(): void }>();
  const count = (key: string, make: () => { inc(): void }): void => {
    let series = known.get(key);
    if (!series) known.set(key, (series = make()));
    series.inc();
  };
  const byProto = new Map<string, [BoundHistogram, BoundHistogram]>();
  const sizesOf = (proto: string): [BoundHistogram, BoundHistogram] => {
    let pair = byProto.get(proto);
    if (!pair) byProto.set(proto, (pair = [requestSizes.with({ ...labels, proto }), responseSizes.with({ ...labels, proto })]));
    return pair;
  };
  return {
    observe(query, { rcode, bytes, seconds }) {
      const family = query.client.ip.includes(':') ? '2' : '1';
      const type = namedTypes.has(query.type) ? query.type : 'other';
      count(`${query.transport} ${family} ${type}`, () => requests.with({ ...labels, proto: query.transport, family, type }));
      count(rcode, () => responses.with({ ...labels, rcode, plugin: '' }));
      duration.observe(seconds);
      const [asked, answered] = sizesOf(query.transport);
      asked.observe(query.size);
      answered.observe(bytes);
    },
  };
}
