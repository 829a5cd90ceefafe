import { ConfigMaps, EndpointSlices, Namespaces, Services } from '@orrery/api';
import { createFakeApi } from '@orrery/client/testing';
import { type LogRecord, createLogger, resolveConfig } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import * as dns from 'dns-packet';
import { expect, it } from 'vitest';
import { asNodeCache, createCoreDns, createNodeCaches, nodeCacheAddress } from './component.ts';
import { coreDnsSchema } from './config.ts';
import { dnsServiceRules } from './dns-services.ts';
import { type Answered, said, testEnv } from './testing/ask.ts';

function world() {
  const records: LogRecord[] = [];
  const env = { ...testEnv(), log: createLogger({ now: () => 0, write: (record) => void records.push(record) }) };
  const api = createFakeApi({ clock: env.clock, random: env.random });
  api.seed(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
  api.seed(Services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' }, spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ port: 80 }] } });
  const fabric = createFabric(env);
  const node = fabric.addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
  const net = node.attach({ ips: ['10.240.0.53'] }).stack;
  const component = createCoreDns(env, { api, net, replica: '0' }, resolveConfig(coreDnsSchema, [{}]));
  const ask = (name: string, port = 53, { ip = '10.240.0.53', from = node.hostStack } = {}): Promise<string> =>
    new Promise((resolve) => {
      const question = dns.encode({ type: 'query', id: 7, questions: [{ name, type: 'A' }] });
      const socket = from.udp({ ip: '', port: 0 }, (bytes) => {
        socket.close();
        resolve(said(dns.decode(Buffer.from(bytes)) as Answered));
      });
      socket.send(question, { ip, port });
    });
  const messages = (): string[] => records.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  return { env, api, component, ask, messages, node, fabric };
}

it('makes the ConfigMap, follows it when it changes, and stays as it is when the change is wrong', async () => {
  const { env, api, component, ask, messages } = world();
  await component.start();
  expect(component.ready()).toBe(true);
  expect(await ask('web.default.svc.cluster.local')).toBe('10.96.0.7');
  expect(await ask('example.org')).toBe('REFUSED');
  const map = api.find(ConfigMaps, 'coredns', 'kube-system');
  const corefile = map?.data?.['Corefile'] ?? '';
  expect(corefile).toContain('kubernetes cluster.local in-addr.arpa ip6.arpa {');
  const write = async (text: string, more: Record<string, string> = {}): Promise<void> => {
    await api.update(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'coredns', namespace: 'kube-system' }, data: { Corefile: text, ...more } });
    await env.clock.advance(46_000);
  };
  await write(`${corefile}\nexample.org:53 {\n hosts NodeHosts\n}\nother.org:1053 {\n whoami\n}`, { NodeHosts: '192.0.2.5 a.example.org' });
  expect(await ask('a.example.org')).toBe('192.0.2.5');
  expect(await ask('other.org', 1053)).toBe('NODATA');
  expect(await ask('web.default.svc.cluster.local')).toBe('10.96.0.7');
  expect(messages()).toContain('Reloading complete');
  await write('.:53 {\n bogus\n}', { NodeHosts: '192.0.2.5 a.example.org' });
  expect(messages()).toContain("Restart failed: /etc/coredns/Corefile:2 - Error during parsing: Unknown directive 'bogus'");
  expect(env.metrics.expose()).toContain('coredns_reload_failed_total 1');
  expect(await ask('a.example.org')).toBe('192.0.2.5');
  expect(api.objects(EndpointSlices)).toHaveLength(1);
  await component.stop();
  expect(api.objects(EndpointSlices)).toHaveLength(0);
});

it('serves by the built-in Corefile when that of the ConfigMap is wrong from the beginning', async () => {
  const { api, component, ask, messages } = world();
  api.seed(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'coredns', namespace: 'kube-system' }, data: { Corefile: 'nonsense {' } });
  await component.start();
  expect(await ask('web.default.svc.cluster.local')).toBe('10.96.0.7');
  expect(messages()[0]).toContain('/etc/coredns/Corefile:1 - Error during parsing: Unexpected EOF');
  await component.stop();
});

it('a cache of a node that runs elsewhere answers what the switch of the node sends there', async () => {
  const { env, api, component, ask, node, fabric } = world();
  await component.start();
  const home = fabric.addSwitch({ node: 'cache', nodeIp: '10.241.0.11' });
  const caches = createNodeCaches(env, { api }, { clusterDomain: 'cluster.local', serviceIp: '10.240.0.53' });
  caches.add('n', asNodeCache(home.hostStack));
  await caches.start();
  await node.setServiceRules((['TCP', 'UDP'] as const).map((protocol) => ({ match: { ip: nodeCacheAddress, port: 53, protocol }, service: 'cache', backends: [{ ip: '10.241.0.11', port: 53 }], whenEmpty: 'refuse' })));
  const pod = node.attach({ ips: ['10.244.0.2'] }).stack;
  expect(await ask('web.default.svc.cluster.local', 53, { ip: nodeCacheAddress, from: pod })).toBe('10.96.0.7');
  await caches.stop();
  await component.stop();
});

it('a cache of a node that runs elsewhere asks whichever server the Service has', async () => {
  const { env, api, component, ask, node, fabric } = world();
  await component.start();
  const second = createCoreDns(env, { api, net: node.attach({ ips: ['10.240.0.54'] }).stack, replica: '1' }, resolveConfig(coreDnsSchema, [{ address: '10.240.0.54' }]));
  await second.start();
  const home = fabric.addSwitch({ node: 'cache', nodeIp: '10.241.0.11' });
  const caches = createNodeCaches(env, { api, program: (rules) => home.setServiceRules(rules) }, { clusterDomain: 'cluster.local', serviceIp: '10.96.0.10' });
  caches.add('n', asNodeCache(home.hostStack));
  await caches.start();
  await env.clock.advance(10);
  const asked = (name: string): Promise<string> => ask(name, 53, { ip: '10.241.0.11' });
  for (const name of ['a', 'b', 'c', 'd']) expect(await asked(`${name}.default.svc.cluster.local`)).toBe('NXDOMAIN');
  // Killed, it is still among the servers of the Service: another try leads to the second.
  const killed = api.find(EndpointSlices, 'kube-dns-0', 'kube-system');
  await component.stop();
  api.seed(EndpointSlices, killed ?? {});
  await env.clock.advance(10);
  for (const name of ['e', 'f', 'g', 'h']) expect(await asked(`${name}.default.svc.cluster.local`)).toBe('NXDOMAIN');
  await second.stop();
  await env.clock.advance(10);
  // Nobody is left.
  expect(await asked('i.default.svc.cluster.local')).toBe('SERVFAIL');
  await caches.stop();
});

it.each<[string, object, object, unknown]>([
  ['both ready ones', {}, {}, [{ ip: '10.240.0.53', port: 5353 }, { ip: '10.240.0.54', port: 5353 }]],
  ['none of another Service', {}, { metadata: { labels: { 'kubernetes.io/service-name': 'other' } } }, []],
  ['none of another family', {}, { addressType: 'IPv6' }, []],
  ['none of a port of another name', {}, { ports: [{ name: 'metrics', port: 9153 }] }, []],
  ['nothing without an address', { clusterIP: 'None', clusterIPs: ['None'] }, {}, undefined],
])('the rules of a DNS service have %s', (_what, spec, slice, expected) => {
  const service = { metadata: { name: 'kube-dns' }, spec: { clusterIP: '10.96.0.10', ports: [{ name: 'dns', port: 53, protocol: 'UDP' }], ...spec } };
  const endpoints = ['10.240.0.53', '10.240.0.54', '10.240.0.55'].map((ip, n) => ({ addresses: [ip], conditions: { ready: n < 2 } }));
  const [rule] = dnsServiceRules([service], [{ metadata: { labels: { 'kubernetes.io/service-name': 'kube-dns' } }, addressType: 'IPv4', endpoints, ports: [{ name: 'dns', port: 5353 }], ...slice }]);
  expect(rule?.backends).toEqual(expected);
});

it('caches on nodes answer for the cluster, each by itself, and go on for a while without it', async () => {
  const { env, api, component, ask, messages, node, fabric } = world();
  await component.start();
  const other = fabric.addSwitch({ node: 'other', nodeIp: '10.240.0.12' });
  const caches = createNodeCaches(env, { api }, { clusterDomain: 'cluster.local', serviceIp: '10.240.0.53' });
  node.addLocalAddress(nodeCacheAddress);
  caches.add('n', node.hostStack);
  await caches.start();
  other.addLocalAddress(nodeCacheAddress);
  caches.add('other', other.hostStack);
  expect(api.find(ConfigMaps, 'node-local-dns', 'kube-system')?.data?.['Corefile']).toContain('bind 169.254.20.10');
  const pod = node.attach({ ips: ['10.244.0.2'] }).stack;
  const far = other.attach({ ips: ['10.244.1.2'] }).stack;
  const cached = (name: string, from = pod): Promise<string> => ask(name, 53, { ip: nodeCacheAddress, from });
  expect(await cached('web.default.svc.cluster.local')).toBe('10.96.0.7');
  expect(await cached('nobody.default.svc.cluster.local')).toBe('NXDOMAIN');
  expect(await cached('example.org')).toBe('REFUSED');
  await component.stop();
  expect(await cached('web.default.svc.cluster.local')).toBe('10.96.0.7');
  expect(await cached('web.default.svc.cluster.local', far)).toBe('SERVFAIL');
  caches.remove('n');
  await caches.stop();
  expect(messages().filter((text) => text.includes('cache'))).toEqual([]);
});
