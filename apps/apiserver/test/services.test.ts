import { IPAddresses, Services } from '@orrery/api';
import type { Service } from '@orrery/api/types';
import type { StatusError } from '@orrery/errors';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { admin, eventually, startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
beforeEach(async () => {
  t = await startTestServer({ serviceClusterIpRange: '10.96.0.0/27', serviceNodePortRange: '30000-30009' });
});
afterEach(() => t.stop());

const service = (name: string, spec: object = {}): Service => ({ metadata: { name, namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } }) as unknown as Service;
const failure = (promise: Promise<unknown>): Promise<StatusError> => promise.then(() => expect.unreachable('should fail'), (error: StatusError) => error);

it('allocates, records and releases addresses and ports', async () => {
  const made = await t.api.create(Services, service('a', { type: 'NodePort' }));
  const ip = made.spec?.clusterIP as string;
  expect(made.spec).toMatchObject({ clusterIPs: [ip], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
  expect(made.spec?.ports?.[0]?.nodePort).toBeGreaterThanOrEqual(30000);
  await eventually(async () => (await t.api.list(IPAddresses)).items.length === 1);
  expect((await t.api.list(IPAddresses)).items[0]).toMatchObject({ metadata: { name: ip }, spec: { parentRef: { resource: 'services', name: 'a' } } });
  const taken = await failure(t.api.create(Services, service('b', { clusterIP: ip })));
  expect(taken.message).toBe(`Service "b" is invalid: spec.clusterIPs: Invalid value: []string{"${ip}"}: failed to allocate IP ${ip}: provided IP is already allocated`);
  const changed = await t.api.update(Services, { ...made, spec: { type: 'ClusterIP', ports: [{ port: 80 }] } } as unknown as Service);
  expect([changed.spec?.clusterIP, changed.spec?.ports?.[0]?.nodePort]).toEqual([ip, undefined]);
  await t.api.delete(Services, { namespace: 'default', name: 'a' });
  expect((await t.api.create(Services, service('b', { clusterIP: ip }))).spec?.clusterIP).toBe(ip);
});

it('never hands out one address twice, however many replicas allocate', async () => {
  const clients = [t.api, (await t.replica()).client(admin), (await t.replica()).client(admin)];
  const made = await Promise.all(Array.from({ length: 9 }, (_, i) => clients[i % 3]?.create(Services, service(`s${i}`, { type: 'NodePort' }))));
  expect(new Set(made.map((s) => s?.spec?.clusterIP)).size).toBe(9);
  expect(new Set(made.map((s) => s?.spec?.ports?.[0]?.nodePort)).size).toBe(9);
  await t.api.create(Services, service('last', { type: 'NodePort' }));
  const full = await failure(t.api.create(Services, service('over', { type: 'NodePort' })));
  expect(full.message).toContain('failed to allocate a nodePort: range is full');
});

it('refuses what lies outside the ranges', async () => {
  expect((await failure(t.api.create(Services, service('x', { clusterIP: '10.97.0.1' })))).message).toContain('The range of valid IPs is 10.96.0.0/27');
  const port = await failure(t.api.create(Services, service('x', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })));
  expect(port.message).toContain('provided port is not in the valid range. The range of valid ports is 30000-30009');
});
