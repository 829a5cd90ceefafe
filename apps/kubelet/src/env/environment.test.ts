import type { Container, Pod, Service } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type EnvironmentSources, buildEnvironment } from './environment.ts';
import { expand } from './expansion.ts';

const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { app: 'x', 'a.b/c': 'd"e' } }, spec: { nodeName: 'n1', serviceAccountName: 'sa', containers: [] } };
const service = (name: string, clusterIP: string, ports: object[]): Service => ({ metadata: { name, namespace: 'ns' }, spec: { clusterIP, ports: ports as never } });

const sources = (more: Partial<EnvironmentSources> = {}): EnvironmentSources => ({
  podIps: ['10.244.0.5'],
  hostIps: ['10.240.0.1'],
  allocatable: { cpu: '4', memory: '8Gi' },
  configMap: async (name) => (name === 'cm' ? { data: { color: 'blue', size: '3' } } : undefined),
  secret: async (name) => (name === 's' ? { data: { pass: Buffer.from('hunter2').toString('base64') } } : undefined),
  file: async (volume, path) => (volume === 'v' && path === 'a.env' ? "FROM_FILE='x y'\n" : path === 'bad.env' ? 'A=1' : undefined),
  services: () => [],
  ...more,
});

const build = async (container: Partial<Container>, from = sources()) => Object.fromEntries(await buildEnvironment(pod, { name: 'c', ...container }, from));

test('every source of a variable', async () => {
  const env = await build({
    resources: { limits: { cpu: '1500m' }, requests: { memory: '100Mi' } },
    envFrom: [{ prefix: 'CM_', configMapRef: { name: 'cm' } }, { secretRef: { name: 's' } }, { configMapRef: { name: 'gone', optional: true } }],
    env: [
      { name: 'LITERAL', value: 'v' },
      { name: 'COMPOSED', value: '$(LITERAL)-$(CM_color)-$(NOPE)-$$(LITERAL)' },
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'CPU_M', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
      { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'cm', key: 'size' } } },
      { name: 'OPT', valueFrom: { configMapKeyRef: { name: 'cm', key: 'none', optional: true } } },
      { name: 'SECRET', valueFrom: { secretKeyRef: { name: 's', key: 'pass' } } },
    ],
  });
  expect(env).toEqual({ CM_color: 'blue', CM_size: '3', pass: 'hunter2', LITERAL: 'v', COMPOSED: 'v-blue-$(NOPE)-$(LITERAL)', NAME: 'p', LABEL: 'x', IP: '10.244.0.5', NODE: 'n1', CPU: '2', CPU_M: '1500', MEM: '8192', KEY: '3', SECRET: 'hunter2' });
});

test.each<[string, Partial<Container>]>([
  ['configmap "gone" not found', { envFrom: [{ configMapRef: { name: 'gone' } }] }],
  ['secret "gone" not found', { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'gone', key: 'k' } } }] }],
  ["couldn't find key k in ConfigMap ns/cm", { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }] }],
  ["couldn't find key k in Secret ns/s", { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }],
])('fault: %s', async (message, container) => {
  await expect(build(container)).rejects.toThrow(message);
});

test('service variables, which the pod may override and refer to', async () => {
  const services = () => [service('my-db', '10.96.0.9', [{ name: 'pg', port: 5432 }, { name: 'dns', port: 53, protocol: 'UDP' }]), service('headless', 'None', [{ port: 1 }])];
  const env = await build({ env: [{ name: 'URL', value: 'pg://$(MY_DB_SERVICE_HOST)' }, { name: 'MY_DB_PORT', value: 'mine' }] }, sources({ services }));
  expect(env).toMatchObject({
    URL: 'pg://10.96.0.9',
    MY_DB_PORT: 'mine',
    MY_DB_SERVICE_HOST: '10.96.0.9',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_SERVICE_PORT_PG: '5432',
    MY_DB_SERVICE_PORT_DNS: '53',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.0.9:5432',
    MY_DB_PORT_53_UDP_PROTO: 'udp',
    MY_DB_PORT_53_UDP_ADDR: '10.96.0.9',
  });
  expect(Object.keys(env).some((name) => name.startsWith('HEADLESS'))).toBe(false);
});

test.each([
  ['$(A)', '1'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$1'],
  ['$(B', '$(B'],
  ['$(NO)$A$', '$(NO)$A$'],
])('expansion of %s', (text, expected) => {
  expect(expand(text, (name) => (name === 'A' ? '1' : undefined))).toBe(expected);
});

test('variables from files', async () => {
  const ref = (path: string, key: string, optional = false) => ({ name: 'F', valueFrom: { fileKeyRef: { volumeName: 'v', path, key, optional } } });
  expect(await build({ env: [ref('a.env', 'FROM_FILE')] })).toEqual({ F: 'x y' });
  expect(await build({ env: [ref('a.env', 'NONE', true), ref('none.env', 'A', true)] })).toEqual({});
  await expect(build({ env: [ref('a.env', 'NONE')] })).rejects.toThrow('environment variable key "NONE" not found in file "a.env"');
  await expect(build({ env: [ref('none.env', 'A')] })).rejects.toThrow('couldn\'t parse env file: failed to open environment variable file "none.env": no such file or directory');
  await expect(build({ env: [ref('bad.env', 'A')] })).rejects.toThrow("couldn't parse env file: value must be enclosed in single quotes at line 1");
});
