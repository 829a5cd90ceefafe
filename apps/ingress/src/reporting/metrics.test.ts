import type { Secret } from '@orrery/api/types';
import { expect, test } from 'vitest';
import type { Tag } from '../deciding/decide.ts';
import type { ProxyRecord } from '../proxy.ts';
import { configurationText } from '../routing/configuration-text.ts';
import { controller, ingress, tableOf, testEnv, world } from '../testing/world.ts';
import { controllerMetrics } from './controller-metrics.ts';
import { requestMetrics } from './metrics.ts';

const labels = { controller_class: controller, controller_namespace: 'ingress-nginx', controller_pod: 'one' };
const own = `controller_class="${controller}",controller_namespace="ingress-nginx",controller_pod="one"`;
/** Samples of a family without its prefix, labels in order of their names. */
const samples = (text: string, name: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(`nginx_ingress_controller_${name}{`)).map((line) => line.slice(`nginx_ingress_controller_${name}`.length)).map((line) => line.replace(/\{(.*)\}/, (_, inner: string) => `{${inner.split(/,(?=[a-z_]+=)/).sort().join(',')}}`));

const rules = [ingress('web', { 'a.test': [['/x', 'Prefix', 's']], '*.b.test': [['/', 'Prefix', 's']], '': [['/', 'Prefix', 'any']] })];

function counted(host: string, path: string, more: Partial<ProxyRecord> = {}): string {
  const env = testEnv();
  const found = tableOf(rules).route(host, path)?.location;
  const tag: Tag = { location: host === 'none' ? undefined : found, backend: host === 'none' ? undefined : found?.backend, alternative: '', id: '', user: '', client: '', release: () => undefined };
  const request = { method: 'POST', host: `${host}:8080`, target: path, protocol: 'HTTP/1.1', secure: false, headers: {}, clientIp: '', clientPort: 0, upgrade: false } as unknown as ProxyRecord['request'];
  requestMetrics(env.metrics, labels)({ request, tag, status: 201, bytesSent: 5_000, requestBytes: 85, seconds: 0.02, attempts: [{ seconds: 0.01, connectSeconds: 0.001, headerSeconds: 0.006 }], ...more } as unknown as ProxyRecord, tag);
  return env.metrics.expose();
}

test.each([
  ['a.test', '/x/y', 'host="a.test",ingress="web",method="POST",namespace="d",path="/x",service="s"'],
  ['one.b.test', '/', 'host="*.b.test",ingress="web",method="POST",namespace="d",path="/",service="s"'],
  ['other', '/', 'host="_",ingress="web",method="POST",namespace="d",path="/",service="any"'],
  ['none', '/', 'host="_",ingress="",method="POST",namespace="",path="",service=""'],
])('a request for %s%s is counted by %s', (host, path, said) => {
  const text = counted(host, path);
  const all = `{canary="",${own},${said},status="201"}`;
  expect(samples(text, 'requests')).toEqual([`${all} 1`]);
  expect(samples(text, 'nginx_process_requests_total')).toEqual([`{${own}} 1`]);
  for (const [name, value] of [['request_duration_seconds', 0.02], ['request_size', 85], ['response_size', 5_000], ['bytes_sent', 5_000], ['response_duration_seconds', 0.01], ['connect_duration_seconds', 0.001], ['header_duration_seconds', 0.006]]) {
    expect(samples(text, `${name}_sum`)).toEqual([`${all} ${value}`]);
  }
});

test('sizes are told apart in steps of ten up to a hundred, bytes sent in powers of ten; what no back end saw has no times of one', () => {
  const text = counted('a.test', '/x', { attempts: [] });
  const bounds = (name: string): string[] => samples(text, `${name}_bucket`).map((line) => /le="([^"]*)"/.exec(line)?.[1] ?? '');
  expect(bounds('request_size')).toEqual(['10', '20', '30', '40', '50', '60', '70', '80', '90', '100', '+Inf']);
  expect(bounds('response_size')).toEqual(bounds('request_size'));
  expect(bounds('bytes_sent').map(Number)).toEqual([10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, NaN]);
  expect(samples(text, 'connect_duration_seconds_sum')).toEqual([]);
});

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const secrets: Record<string, Secret> = { good: { data: { 'tls.crt': encoded('2000'), 'tls.key': encoded('k') } }, bad: { data: { 'tls.crt': encoded('rubbish'), 'tls.key': encoded('k') } } };

function told(ingresses: Parameters<typeof tableOf>[0], options: Parameters<typeof tableOf>[1] & { readonly fallback?: string } = {}) {
  const env = testEnv();
  const backends = world(ingresses, options);
  const table = tableOf(ingresses, options);
  let reads = 0;
  const certificateFacts = (pem: string) => {
    reads++;
    if (pem === 'rubbish') throw new Error('malformed');
    return { notAfterMs: Number(pem), serialNumber: '100', issuerCommonName: 'ca', issuerOrganization: 'org', issuerSerialNumber: 'abcd1234', publicKeyAlgorithm: 'ECDSA' };
  };
  const report = controllerMetrics(env, { labels, backends, table: () => table, certificateFacts, fallbackCertificate: options.fallback, connections: () => 3 });
  return { env, report, reads: () => reads, text: () => env.metrics.expose() };
}

const withTls = [ingress('web', { 'a.test': [['/', 'Prefix', 's']], 'b.test': [['/', 'Prefix', 's']], 'c.test': [['/', 'Prefix', 's']], 'd.test': [['/', 'Prefix', 's']] }, {}, { tls: [{ hosts: ['a.test'], secretName: 'good' }, { hosts: ['b.test'], secretName: 'bad' }, { hosts: ['c.test'], secretName: 'none' }] })];
/** Host, Secret and when it ends. */
const ends = (host: string, secret: string, value: number): string => `{class="${controller}",host="${host}",namespace="ingress-nginx",secret_name="${secret}"} ${value}`;
const info = (host: string, secret: string, namespace: string): string =>
  `{class="${controller}",host="${host}",identifier="abcd1234-100",issuer_common_name="ca",issuer_organization="org",namespace="${namespace}",public_key_algorithm="ECDSA",secret_name="${secret}",serial_number="100"} 1`;

// What cannot be read is not told of; hosts without TLS have none.
test.each<[string, string | undefined, string[], string[]]>([
  ['their own', undefined, [ends('a.test', 'good', 2)], [info('a.test', 'good', 'd')]],
  ["their own or the controller's", '5000', [ends('a.test', 'good', 2), ends('c.test', '', 5), ends('_', '', 5)], [info('a.test', 'good', 'd'), info('c.test', '', ''), info('_', '', '')]],
])('hosts tell of %s certificates when they end, and by whom they are', (_whose, fallback, endings, infos) => {
  const { text, reads } = told(withTls, { secrets, ...(fallback ? { fallback } : {}) });
  expect(samples(text(), 'ssl_expire_time_seconds')).toEqual(endings);
  expect(samples(text(), 'ssl_certificate_info')).toEqual(infos);
  // Each is read once, however often somebody asks.
  expect(reads()).toBe(fallback ? 3 : 2);
  expect(samples(text(), 'nginx_process_connections')).toEqual([`{${own},state="active"} 3`]);
});

test.each([
  [{}, '0'],
  [{ endpoints: { s: [] } }, '1'],
])('an Ingress whose service has the endpoints %j', (options, value) => {
  // What is not ready is no endpoint.
  const { text } = told([ingress('web', { 'a.test': [['/', 'Prefix', 's']] })], options);
  expect(samples(text(), 'orphan_ingress')).toEqual([`{${own},ingress="web",namespace="d",type="no-service"} 0`, `{${own},ingress="web",namespace="d",type="no-endpoint"} ${value}`]);
});

test('configurations that were taken over and those that were refused are counted', async () => {
  const { env, report, text } = told([]);
  await env.clock.advance(5_500);
  const now = String(Math.floor(env.clock.now() / 1000));
  report.reloaded(() => '');
  const seen = (): string[] => ['success', 'errors', 'config_last_reload_successful', 'config_last_reload_successful_timestamp_seconds'].map((name) => samples(text(), name)[0]?.replace(`{${own}} `, '') ?? '').map((value) => value && String(Number(value)));
  expect(seen()).toEqual(['1', '', '1', now]);
  await env.clock.advance(5_000);
  report.failed();
  expect(seen()).toEqual(['1', '1', '0', now]);
});

const paths = (path: string, annotations: Readonly<Record<string, string>> = {}) => ingress('web', { 'a.test': [[path, 'Prefix', 's']] }, annotations);
const other = ingress('other', { 'b.test': [['/', 'Prefix', 's']] }, { 'use-regex': 'true', 'proxy-next-upstream': 'error http_502' });

test.each<[string, boolean, Parameters<typeof tableOf>]>([
  ['is told in another order', true, [[other, paths('/')]]],
  ['has other endpoints', true, [[paths('/'), other], { endpoints: { s: ['x', 'y'] } }]],
  ['has another path', false, [[paths('/x'), other]]],
  ['has another annotation', false, [[paths('/', { 'proxy-next-upstream': 'error' }), other]]],
  ['has another regular expression', false, [[paths('/'), ingress('other', { 'b.test': [['/.', 'Prefix', 's']] }, { 'use-regex': 'true' })]]],
  ['has another global setting', false, [[paths('/'), other], { global: { 'hsts': 'false' } }]],
  ['has one Ingress less', false, [[paths('/')]]],
])('the hash of a configuration that %s is the same: %s', (_what, isSame, [ingresses, options]) => {
  const hashOf = (...of: Parameters<typeof tableOf>): string | undefined => {
    const { report, text } = told(of[0]);
    report.reloaded(() => configurationText(tableOf(...of), world(...of).global));
    return samples(text(), 'config_hash')[0];
  };
  const first = hashOf([paths('/'), other]);
  expect(first).toMatch(new RegExp(`^\\{${own}\\} [1-9][0-9.e+]*$`));
  expect(hashOf(ingresses, options) === first).toBe(isSame);
});

test('a configuration is made to text once, when somebody asks; none and one that was refused have the hash 0', () => {
  const { report, text } = told([]);
  const shown = (): number => Number(samples(text(), 'config_hash')[0]?.split(' ').at(-1));
  expect(shown()).toBe(0);
  let asked = 0;
  report.reloaded(() => `one ${asked++}`);
  expect(asked).toBe(0);
  expect([shown() > 0, shown() === shown(), asked]).toEqual([true, true, 1]);
  report.failed();
  expect(shown()).toBe(0);
});
