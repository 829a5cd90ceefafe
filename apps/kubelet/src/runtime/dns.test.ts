import type { Pod, PodSpec } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { hostsFile, nodename, podHostname } from './dns.ts';

const node = { hostname: 'node-1', clusterDomain: 'cluster.local' };
const pod = (spec: Partial<PodSpec>, name = 'web-0'): Pod => ({ metadata: { name, namespace: 'shop' }, spec: { containers: [], ...spec } });

test.each<[Partial<PodSpec>, { hostname: string; domain: string; kernel: string }]>([
  [{}, { hostname: 'web-0', domain: '', kernel: 'web-0' }],
  [{ hostname: 'db' }, { hostname: 'db', domain: '', kernel: 'db' }],
  [{ hostname: 'db', subdomain: 'set' }, { hostname: 'db', domain: 'set.shop.svc.cluster.local', kernel: 'db' }],
  [{ subdomain: 'set', setHostnameAsFQDN: true }, { hostname: 'web-0', domain: 'set.shop.svc.cluster.local', kernel: 'web-0.set.shop.svc.cluster.local' }],
  [{ setHostnameAsFQDN: true }, { hostname: 'web-0', domain: '', kernel: 'web-0' }],
  [{ hostname: 'db', subdomain: 'set', hostNetwork: true }, { hostname: 'node-1', domain: '', kernel: 'node-1' }],
  [{ hostnameOverride: 'own.example.com', hostname: 'db', subdomain: 'set' }, { hostname: 'own.example.com', domain: '', kernel: 'own.example.com' }],
])('names of %j', (spec, { kernel, ...names }) => {
  expect(podHostname(pod(spec), node)).toEqual(names);
  expect(nodename(pod(spec), names)).toBe(kernel);
});

test('a long name is cut, a whole name that is too long is none', () => {
  expect(podHostname(pod({}, `${'a'.repeat(62)}.b`), node).hostname).toBe('a'.repeat(62));
  expect(() => nodename(pod({ setHostnameAsFQDN: true }), { hostname: 'h'.repeat(40), domain: 'set.shop.svc.cluster.local' })).toThrow('is too long (64 characters is the max, 67 characters requested)');
});

test('the whole name comes first in /etc/hosts, whatever the kernel is told', () => {
  for (const setHostnameAsFQDN of [true, false]) {
    const text = hostsFile(pod({ setHostnameAsFQDN, hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] }), { ips: ['10.244.0.5', 'fd00::5'], hostname: 'web-0', domain: 'set.shop.svc.cluster.local' });
    expect(text).toMatch(/\n10\.244\.0\.5\tweb-0\.set\.shop\.svc\.cluster\.local\tweb-0\nfd00::5\tweb-0\.set\.shop\.svc\.cluster\.local\tweb-0\n\n# Entries added by HostAliases\.\n1\.2\.3\.4\ta\tb\n$/);
  }
});

test("pods on the node's network see the node's hosts and what they add; who cannot have its name waits and says why", async () => {
  const f = fixture();
  await f.host.writeFile('/etc/hosts', { bytes: Buffer.from('127.0.0.1\tlocalhost\n'), mode: 0o644 });
  await f.kubelet.start();
  await f.create('host', { hostNetwork: true, hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }], containers: [container('app')] });
  await f.create('n'.repeat(60), { subdomain: 'set', setHostnameAsFQDN: true, containers: [container('app')] });
  await f.clock.advance(1_000);
  const [running] = [...f.cri.containers.values()];
  const hosts = running?.config.mounts?.find(({ containerPath }) => containerPath === '/etc/hosts')?.hostPath ?? '';
  expect(Buffer.from((await f.host.readFile(hosts)) ?? []).toString()).toBe('# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost\n\n# Entries added by HostAliases.\n1.2.3.4\ta\n');
  expect(f.events()).toContainEqual(expect.stringMatching(/^FailedCreatePodSandBox: Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain, FQDN n+\.set\.default\.svc\.cluster\.local is too long/));
  expect(f.pod('n'.repeat(60)).status?.phase).toBe('Pending');
});
