import type { EndpointSlice, Service } from '@orrery/api/types';
import type { Surroundings } from './ask.ts';

const service = (name: string, spec: Service['spec'], namespace = 'default'): Service => ({ metadata: { namespace, name }, ...(spec ? { spec } : {}) });
const sliceOf = (name: string, endpoints: NonNullable<EndpointSlice['endpoints']>, ports: EndpointSlice['ports'] = [{ name: 'sql', port: 5432, protocol: 'TCP' }]): EndpointSlice => ({
  metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  ...(ports ? { ports } : {}),
  endpoints,
});

/** A cluster with one of each: what the rows are about. */
export const specifiedCluster: Surroundings = {
  namespaces: [{ metadata: { name: 'default' } }, { metadata: { name: 'kube-system' } }],
  services: [
    service('web', { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }, { name: 'dns', port: 53, protocol: 'UDP' }] }),
    service('dual', { clusterIP: '10.96.0.8', clusterIPs: ['10.96.0.8', 'fd00:0::8'], ports: [{ port: 443 }] }),
    service('db', { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] }),
    service('six', { clusterIP: 'None', ipFamilies: ['IPv6'], ports: [{ name: 'sql', port: 5432 }] }),
    service('portless', { clusterIP: 'None' }),
    service('empty', { clusterIP: 'None', ports: [{ port: 1 }] }),
    service('ext', { type: 'ExternalName', externalName: 'Example.com' }),
    service('alias', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }),
    service('nowhere', { type: 'ExternalName', externalName: 'missing.default.svc.cluster.local' }),
    service('ring', { type: 'ExternalName', externalName: 'ring.default.svc.cluster.local' }),
    service('kube-dns', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }, 'kube-system'),
  ],
  slices: [
    sliceOf('db', [
      { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'db-0' } },
      { addresses: ['10.244.1.6'], conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'db-abc' } },
      { addresses: ['10.244.1.9'], hostname: 'db-2', conditions: { ready: false } },
    ]),
    { ...sliceOf('six', [{ addresses: ['fd00:244::6'], hostname: 'six-0', conditions: { ready: true } }, { addresses: ['fd00:244::7'], conditions: { ready: true } }]), addressType: 'IPv6' },
    sliceOf('portless', [{ addresses: ['10.244.0.7'] }], null as never),
    sliceOf('web', [{ addresses: ['10.244.2.2'], conditions: { ready: true } }], [{ name: 'http', port: 8080, protocol: 'TCP' }]),
    { metadata: { namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns' } }, addressType: 'IPv4' as const, endpoints: [{ addresses: ['10.240.0.53'] }], ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] },
  ],
  pods: [{ metadata: { namespace: 'default', name: 'db-0' }, status: { podIPs: [{ ip: '10.244.0.5' }] } }],
  localIps: ['10.240.0.53'],
};

/** A Corefile for it; `options` go into its kubernetes block. */
export const specifiedCorefile = (options = ''): string => `.:53 {
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    ttl 30
    ${options}
  }
}`;

/** Names, types and what the specification says to them: data of the records in order, or the kind of absence. */
export const specifiedRows: readonly [name: string, type: string, wanted: string][] = [
  ['dns-version.cluster.local', 'TXT', '1.1.0'],
  ['dns-version.cluster.local', 'A', 'NXDOMAIN'],
  ['web.default.svc.cluster.local', 'A', '10.96.0.7'],
  ['web.default.svc.cluster.local', 'AAAA', 'NODATA'],
  ['web.default.svc.cluster.local', 'TXT', 'NODATA'],
  ['web.default.svc.cluster.local', 'MX', 'NODATA'],
  ['web.default.svc.cluster.local', 'CNAME', 'NODATA'],
  ['web.default.svc.cluster.local', 'PTR', 'NODATA'],
  ['dual.default.svc.cluster.local', 'A', '10.96.0.8'],
  ['dual.default.svc.cluster.local', 'AAAA', 'fd00::8'],
  ['dual.default.svc.cluster.local', 'SRV', '0 50 443 dual.default.svc.cluster.local'],
  ['_http._tcp.web.default.svc.cluster.local', 'SRV', '0 100 80 web.default.svc.cluster.local'],
  ['_dns._udp.web.default.svc.cluster.local', 'SRV', '0 100 53 web.default.svc.cluster.local'],
  ['_http._tcp.web.default.svc.cluster.local', 'A', '10.96.0.7'],
  ['_http._udp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
  ['_nope._tcp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
  ['web.default.svc.cluster.local', 'SRV', '0 50 80 web.default.svc.cluster.local | 0 50 53 web.default.svc.cluster.local'],
  ['10-244-2-2.web.default.svc.cluster.local', 'A', '10.244.2.2'],
  ['7.0.96.10.in-addr.arpa', 'PTR', 'web.default.svc.cluster.local'],
  ['8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa', 'PTR', 'dual.default.svc.cluster.local'],
  ['db.default.svc.cluster.local', 'A', '10.244.0.5 | 10.244.1.6'],
  ['db-0.db.default.svc.cluster.local', 'A', '10.244.0.5'],
  ['db-0.db.default.svc.cluster.local', 'SRV', '0 100 5432 db-0.db.default.svc.cluster.local'],
  ['10-244-1-6.db.default.svc.cluster.local', 'A', '10.244.1.6'],
  ['db-2.db.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['_sql._tcp.db.default.svc.cluster.local', 'SRV', '0 50 5432 db-0.db.default.svc.cluster.local | 0 50 5432 10-244-1-6.db.default.svc.cluster.local'],
  ['six.default.svc.cluster.local', 'AAAA', 'fd00:244::6 | fd00:244::7'],
  ['six.default.svc.cluster.local', 'A', 'NODATA'],
  ['six-0.six.default.svc.cluster.local', 'AAAA', 'fd00:244::6'],
  ['_sql._tcp.six.default.svc.cluster.local', 'SRV', '0 50 5432 six-0.six.default.svc.cluster.local | 0 50 5432 fd00-244--7.six.default.svc.cluster.local'],
  ['6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa', 'PTR', 'six-0.six.default.svc.cluster.local'],
  ['portless.default.svc.cluster.local', 'A', '10.244.0.7'],
  ['portless.default.svc.cluster.local', 'SRV', 'NODATA'],
  ['empty.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['5.0.244.10.in-addr.arpa', 'PTR', 'db-0.db.default.svc.cluster.local'],
  ['6.1.244.10.in-addr.arpa', 'PTR', '10-244-1-6.db.default.svc.cluster.local'],
  ['1.1.1.1.in-addr.arpa', 'PTR', 'NXDOMAIN'],
  ['5.0.244.10.in-addr.arpa', 'A', 'NXDOMAIN'],
  ['ext.default.svc.cluster.local', 'CNAME', 'Example.com'],
  ['ext.default.svc.cluster.local', 'SRV', 'NODATA'],
  ['ext.default.svc.cluster.local', 'TXT', 'NODATA'],
  ['x.ext.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['alias.default.svc.cluster.local', 'A', 'web.default.svc.cluster.local | 10.96.0.7'],
  ['nowhere.default.svc.cluster.local', 'A', 'NODATA'],
  ['ring.default.svc.cluster.local', 'A', 'NODATA'],
  ['10-244-0-5.default.pod.cluster.local', 'A', '10.244.0.5'],
  ['10-244-0-5.default.pod.cluster.local', 'AAAA', 'NODATA'],
  ['fd00--5.default.pod.cluster.local', 'AAAA', 'fd00::5'],
  ['10-244-0-5.nope.pod.cluster.local', 'A', 'NXDOMAIN'],
  ['10-244-0-500.default.pod.cluster.local', 'A', 'NXDOMAIN'],
  ['web.nope.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['nope.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['nope.default.svc.cluster.local', 'TXT', 'NXDOMAIN'],
  ['a.b.c.web.default.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['default.svc.cluster.local', 'A', 'NODATA'],
  ['nope.svc.cluster.local', 'A', 'NXDOMAIN'],
  ['svc.cluster.local', 'A', 'NODATA'],
  ['pod.cluster.local', 'A', 'NODATA'],
  ['cluster.local', 'A', 'NODATA'],
  ['other.cluster.local', 'A', 'NXDOMAIN'],
  ['cluster.local', 'NS', 'kube-dns.kube-system.svc.cluster.local'],
  ['ns.dns.cluster.local', 'A', '10.96.0.10'],
  ['cluster.local', 'SOA', 'ns.dns.cluster.local hostmaster.cluster.local 30'],
  ['web.default.svc.cluster.local', 'SOA', 'NODATA'],
  ['web.default.svc.cluster.local', 'ANY', 'NODATA'],
  ['example.com', 'A', 'SERVFAIL'],
];
