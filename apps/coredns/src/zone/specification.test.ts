import { describe, expect, it } from 'vitest';
import { asker, instanceOf, said } from '../testing/ask.ts';
import { specifiedCluster as cluster, specifiedCorefile as corefile, specifiedRows } from '../testing/specification.ts';

describe('the Kubernetes DNS specification 1.1', () => {
  const ask = asker(instanceOf(corefile(), { ...cluster, upstream: (_to, { name, type }) => (name === 'Example.com' && type === 'A' ? { answers: [{ name, type: 'A', ttl: 9, data: '192.0.2.1' }] } : {}) }));
  it.each(specifiedRows)('%s %s is %s', async (name, type, wanted) => expect(said(await ask(name, type))).toBe(wanted));

  it('repeats the name as it was asked, with authority and the time to live', async () => {
    const reply = await ask('WEB.Default.svc.cluster.LOCAL');
    expect(reply).toMatchObject({ flag_aa: true, flag_ra: true, flag_rd: true, questions: [{ name: 'WEB.Default.svc.cluster.LOCAL' }], answers: [{ name: 'WEB.Default.svc.cluster.LOCAL', ttl: 30, data: '10.96.0.7' }] });
  });

  it.each([['nope.default.svc.cluster.local'], ['web.default.svc.cluster.local']])('gives the SOA with absence (%s)', async (name) => {
    const reply = await ask(name, 'AAAA');
    expect(reply?.authorities).toMatchObject([{ name: 'cluster.local', type: 'SOA', ttl: 30, data: { serial: 1_700_000_000, minimum: 30 } }]);
    expect(reply?.flag_aa).toBe(true);
  });

  it('adds the addresses of SRV targets', async () => {
    const reply = await ask('_sql._tcp.db.default.svc.cluster.local', 'SRV');
    expect(reply?.additionals).toMatchObject([{ name: 'db-0.db.default.svc.cluster.local', data: '10.244.0.5' }, { name: '10-244-1-6.db.default.svc.cluster.local', data: '10.244.1.6' }]);
  });
});

describe('options of the kubernetes plugin', () => {
  const withOptions = (options: string, name: string, type = 'A'): Promise<string> => asker(instanceOf(corefile(options), cluster))(name, type).then(said);
  it.each<[options: string, name: string, wanted: string]>([
    ['pods verified', '10-244-0-5.default.pod.cluster.local', '10.244.0.5'],
    ['pods verified', '10-244-9-9.default.pod.cluster.local', 'NXDOMAIN'],
    ['pods disabled', '10-244-0-5.default.pod.cluster.local', 'NXDOMAIN'],
    ['endpoint_pod_names', 'db-abc.db.default.svc.cluster.local', '10.244.1.6'],
    ['namespaces kube-system', 'web.default.svc.cluster.local', 'NXDOMAIN'],
    ['namespaces kube-system', 'kube-dns.kube-system.svc.cluster.local', '10.96.0.10'],
    ['noendpoints', 'db.default.svc.cluster.local', 'NXDOMAIN'],
    ['noendpoints', 'web.default.svc.cluster.local', '10.96.0.7'],
    ['ignore empty_service', 'dual.default.svc.cluster.local', 'NXDOMAIN'],
    ['ignore empty_service', 'web.default.svc.cluster.local', '10.96.0.7'],
  ])('%s: %s is %s', async (options, name, wanted) => expect(await withOptions(options, name)).toBe(wanted));

  it('names the Pod in PTR and SRV records with endpoint_pod_names', async () => {
    expect(await withOptions('endpoint_pod_names', '6.1.244.10.in-addr.arpa', 'PTR')).toBe('db-abc.db.default.svc.cluster.local');
  });

  it('goes on to the next plugin for unknown names of fallthrough zones only', async () => {
    const file = `.:53 {\n kubernetes cluster.local in-addr.arpa {\n fallthrough in-addr.arpa\n }\n forward . 192.0.2.53\n}`;
    const ask = asker(instanceOf(file, { ...cluster, upstream: (_to, { name }) => ({ answers: [{ name, type: 'PTR', ttl: 9, data: 'one.one' }] }) }));
    expect(said(await ask('1.1.1.1.in-addr.arpa', 'PTR'))).toBe('one.one');
    expect(said(await ask('nope.cluster.local'))).toBe('NXDOMAIN');
  });

  it('follows an ExternalName outside, and leaves the alias when nobody knows it', async () => {
    const file = `.:53 {\n kubernetes cluster.local\n forward . 192.0.2.53\n}`;
    const upstream = (_to: unknown, { name, type }: { name: string; type?: string }) => ({ answers: [{ name, type: type as 'A', ttl: 9, data: '192.0.2.1' }] });
    expect(said(await asker(instanceOf(file, { ...cluster, upstream }))('ext.default.svc.cluster.local'))).toBe('Example.com | 192.0.2.1');
    expect(said(await asker(instanceOf(file, cluster))('ext.default.svc.cluster.local'))).toBe('Example.com');
  });
});
