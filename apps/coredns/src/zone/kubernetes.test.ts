import type { EndpointSlice, Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { type ClusterView, type ZoneOptions, resolveKubernetes } from './kubernetes.ts';

const options: ZoneOptions = { zone: 'cluster.local', ttl: 30, pods: 'insecure', serial: () => 1 };

const services: Service[] = [
  { metadata: { namespace: 'default', name: 'web' }, spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }, { name: 'dns', port: 53, protocol: 'UDP' }] } },
  { metadata: { namespace: 'default', name: 'db' }, spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] } },
  { metadata: { namespace: 'default', name: 'empty' }, spec: { clusterIP: 'None' } },
  { metadata: { namespace: 'default', name: 'ext' }, spec: { type: 'ExternalName', externalName: 'example.com' } },
];
const slice: EndpointSlice = {
  metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'db' } },
  addressType: 'IPv4',
  ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
  endpoints: [
    { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.1.6'], conditions: { ready: true } },
    { addresses: ['10.244.1.9'], hostname: 'db-2', conditions: { ready: false } },
  ],
};
const view: ClusterView = {
  namespaceExists: (name) => name === 'default',
  service: (namespace, name) => services.find((s) => s.metadata?.namespace === namespace && s.metadata?.name === name),
  slices: (namespace, name) => (namespace === 'default' && name === 'db' ? [slice] : []),
  serviceByIp: (ip) => services.find((s) => s.spec?.clusterIP === ip),
  slicesByIp: (ip) => (slice.endpoints?.some((e) => e.addresses.includes(ip)) ? [slice] : []),
};

function ask(name: string, type: string): string {
  const reply = resolveKubernetes({ name, type }, view, options);
  if (!reply) return 'not ours';
  if (reply.rcode !== 'NOERROR') return reply.rcode;
  if (!reply.answers.length) return reply.authorities.length === 1 ? 'NODATA' : 'no SOA';
  return reply.answers.map((a) => (a.type === 'SRV' ? `${a.data.port} ${a.data.target}` : 'data' in a ? String(a.data) : '')).join(' ');
}

describe('the zone, by the rows of the specification', () => {
  it.each([
    ['web.default.svc.cluster.local', 'A', '10.96.0.7'],
    ['WEB.Default.svc.cluster.LOCAL', 'A', '10.96.0.7'],
    ['web.default.svc.cluster.local', 'AAAA', 'NODATA'],
    ['web.default.svc.cluster.local', 'TXT', 'NODATA'],
    ['nope.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['web.nope.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['default.svc.cluster.local', 'A', 'NODATA'],
    ['nope.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['svc.cluster.local', 'A', 'NODATA'],
    ['cluster.local', 'A', 'NODATA'],
    ['other.cluster.local', 'A', 'NXDOMAIN'],
    ['_http._tcp.web.default.svc.cluster.local', 'SRV', '80 web.default.svc.cluster.local'],
    ['_dns._udp.web.default.svc.cluster.local', 'SRV', '53 web.default.svc.cluster.local'],
    ['_http._udp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['_http._tcp.web.default.svc.cluster.local', 'A', 'NODATA'],
    ['web.default.svc.cluster.local', 'SRV', '80 web.default.svc.cluster.local 53 web.default.svc.cluster.local'],
    ['db.default.svc.cluster.local', 'A', '10.244.0.5 10.244.1.6'],
    ['db-0.db.default.svc.cluster.local', 'A', '10.244.0.5'],
    ['10-244-1-6.db.default.svc.cluster.local', 'A', '10.244.1.6'],
    ['db-2.db.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['_sql._tcp.db.default.svc.cluster.local', 'SRV', '5432 db-0.db.default.svc.cluster.local 5432 10-244-1-6.db.default.svc.cluster.local'],
    ['empty.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['ext.default.svc.cluster.local', 'A', 'example.com'],
    ['10-244-0-5.default.pod.cluster.local', 'A', '10.244.0.5'],
    ['10-244-0-5.nope.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['10-244-0-500.default.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['7.0.96.10.in-addr.arpa', 'PTR', 'web.default.svc.cluster.local'],
    ['5.0.244.10.in-addr.arpa', 'PTR', 'db-0.db.default.svc.cluster.local'],
    ['1.1.1.1.in-addr.arpa', 'PTR', 'not ours'],
    ['dns-version.cluster.local', 'TXT', '1.1.0'],
    ['cluster.local', 'NS', 'ns.dns.cluster.local'],
    ['example.com', 'A', 'not ours'],
  ])('%s %s is %s', (name, type, wanted) => expect(ask(name, type)).toBe(wanted));

  it('adds the addresses of SRV targets', () => {
    const reply = resolveKubernetes({ name: '_sql._tcp.db.default.svc.cluster.local', type: 'SRV' }, view, options);
    expect(reply?.additionals.map((a) => ('data' in a ? `${a.name} ${String(a.data)}` : ''))).toEqual([
      'db-0.db.default.svc.cluster.local 10.244.0.5',
      '10-244-1-6.db.default.svc.cluster.local 10.244.1.6',
    ]);
  });
});
