import { IPAddresses, ServiceCIDRs, Services } from '@orrery/api';
import type { Service } from '@orrery/api/types';
import type { StatusError } from '@orrery/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
  expect(taken.message).toBe(`Service "b" is invalid: spec.clusterIPs: Invalid value: ["${ip}"]: failed to allocate IP ${ip}: provided IP is already allocated`);
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
  const address = (clusterIP: string): Promise<string> => failure(t.api.create(Services, service('x', { clusterIP }))).then(({ message }) => message);
  expect(await address('10.97.0.1')).toContain('failed to allocate IP 10.97.0.1: the provided network does not match the current range');
  expect(await address('10.96.0.31')).toContain('the provided IP (10.96.0.31) is not in the valid range. The range of valid IPs is 10.96.0.0/27');
  const port = await failure(t.api.create(Services, service('x', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })));
  expect(port.message).toContain('provided port is not in the valid range. The range of valid ports is 30000-30009');
  const second = await failure(t.api.create(Services, service('x', { ipFamilyPolicy: 'RequireDualStack' })));
  expect(second.message).toBe('Service "x" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services');
});

it('takes further ranges from ServiceCIDRs while they last', async () => {
  await t.api.create(ServiceCIDRs, { metadata: { name: 'more' }, spec: { cidrs: ['10.98.0.0/28'] } });
  const made = async (name: string): Promise<Service> => t.api.create(Services, service(name, { clusterIP: '10.98.0.3' }));
  await eventually(async () => made('far').then(() => true, () => false));
  await eventually(async () => (await t.api.list(IPAddresses)).items.some(({ metadata }) => metadata?.name === '10.98.0.3'));
  const rest = await Promise.all(Array.from({ length: 40 }, (_, i) => t.api.create(Services, service(`s${i}`))));
  expect(new Set(rest.map(({ spec }) => spec?.clusterIP)).size).toBe(40);
});

it('gives the same node port to two protocols of one port, and different ones to others', async () => {
  const ports = [{ name: 'a', port: 53, protocol: 'UDP' }, { name: 'b', port: 53, protocol: 'TCP' }, { name: 'c', port: 80 }];
  const made = await t.api.create(Services, service('dns', { type: 'NodePort', ports }));
  const [a, b, c] = (made.spec?.ports ?? []).map(({ nodePort }) => nodePort);
  expect([a === b, a === c]).toEqual([true, false]);
  const clash = [{ name: 'a', port: 1, nodePort: 30009 }, { name: 'b', port: 2, protocol: 'UDP', nodePort: 30009 }];
  expect((await failure(t.api.create(Services, service('clash', { type: 'NodePort', ports: clash })))).message).toBe('Service "clash" is invalid: spec.ports[1].nodePort: Invalid value: 30009: provided port is already allocated');
});

it('keeps ports by their names, and lets them go with the type', async () => {
  const made = await t.api.create(Services, service('web', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ name: 'http', port: 80 }] }));
  const [node, health] = [made.spec?.ports?.[0]?.nodePort, made.spec?.healthCheckNodePort];
  expect(health).toBeGreaterThanOrEqual(30000);
  const moved = await t.api.update(Services, { ...made, spec: { ...made.spec, ports: [{ name: 'http', port: 8080 }], healthCheckNodePort: 0 } } as unknown as Service);
  expect([moved.spec?.ports?.[0]?.nodePort, moved.spec?.healthCheckNodePort]).toEqual([node, health]);
  const inside = await t.api.update(Services, { ...moved, spec: { ...moved.spec, type: 'ClusterIP' } } as unknown as Service);
  expect(inside.spec).toMatchObject({ clusterIP: made.spec?.clusterIP, ports: [{ name: 'http', port: 8080, protocol: 'TCP', targetPort: 8080 }] });
  expect([inside.spec?.healthCheckNodePort, inside.spec?.externalTrafficPolicy, inside.spec?.allocateLoadBalancerNodePorts]).toEqual([undefined, undefined, undefined]);
  const named = await t.api.update(Services, { ...inside, spec: { ...inside.spec, type: 'ExternalName', externalName: 'example.com' } } as unknown as Service);
  expect([named.spec?.clusterIP, named.spec?.clusterIPs, named.spec?.ipFamilies]).toEqual([undefined, undefined, undefined]);
  await eventually(async () => (await t.api.list(IPAddresses)).items.length === 0);
});

it('shows in a dry run what would be allocated', async () => {
  const made = await t.api.create(Services, service('dry'));
  const shown = await t.api.update(Services, { ...made, spec: { ...made.spec, type: 'NodePort' } } as unknown as Service, { dryRun: true });
  expect(shown.spec?.ports?.[0]?.nodePort).toBeGreaterThanOrEqual(30000);
});

describe('with two families', () => {
  beforeEach(async () => {
    await t.stop();
    t = await startTestServer({ serviceClusterIpRange: '10.96.0.0/24,fd00:10:96::/112' });
  });

  it('goes from one address to two, and back', async () => {
    const single = await t.api.create(Services, service('a'));
    expect(single.spec).toMatchObject({ ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
    const both = await t.api.update(Services, { ...single, spec: { ...single.spec, ipFamilyPolicy: 'PreferDualStack' } } as unknown as Service);
    expect(both.spec).toMatchObject({ clusterIP: single.spec?.clusterIP, ipFamilies: ['IPv4', 'IPv6'] });
    expect(both.spec?.clusterIPs?.[1]).toMatch(/^fd00:10:96::[0-9a-f]+$/);
    await eventually(async () => (await t.api.list(IPAddresses)).items.length === 2);
    const one = await t.api.update(Services, { ...both, spec: { ...both.spec, ipFamilyPolicy: 'SingleStack' } } as unknown as Service);
    expect([one.spec?.clusterIPs, one.spec?.ipFamilies]).toEqual([[single.spec?.clusterIP], ['IPv4']]);
    await eventually(async () => (await t.api.list(IPAddresses)).items.length === 1);
  });

  it.each<[string, object, object]>([
    ['of the other family', { ipFamilies: ['IPv6'] }, { ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }],
    ['both, the other first', { ipFamilies: ['IPv6'], ipFamilyPolicy: 'RequireDualStack' }, { ipFamilies: ['IPv6', 'IPv4'] }],
    ['chosen', { clusterIP: 'fd00:10:96::5', clusterIPs: ['fd00:10:96::5'] }, { ipFamilies: ['IPv6'], clusterIPs: ['fd00:10:96::5'] }],
    ['headless without selector', { clusterIP: 'None' }, { clusterIPs: ['None'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' }],
    ['headless with selector', { clusterIP: 'None', selector: { a: '1' } }, { clusterIPs: ['None'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }],
  ])('gives addresses %s', async (_, spec, expected) => expect((await t.api.create(Services, service('x', spec))).spec).toMatchObject(expected));

  it.each<[object, string]>([
    [{ ipFamilies: ['IPv4', 'IPv6'] }, 'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be \'RequireDualStack\' or \'PreferDualStack\' when multiple IP families are specified'],
    [{ ipFamilies: ['IPv6'], clusterIP: '10.96.0.9' }, 'spec.clusterIPs[0]: Invalid value: "10.96.0.9": expected an IPv6 value as indicated by `ipFamilies[0]`'],
    [{ clusterIPs: ['10.96.0.9'] }, 'spec.clusterIPs: Invalid value: ["10.96.0.9"]: must be empty when `clusterIP` is not specified'],
  ])('refuses %j', async (spec, message) => expect((await failure(t.api.create(Services, service('x', spec)))).message).toBe(`Service "x" is invalid: ${message}`));
});

it('tells how much of each range is taken', async () => {
  const lines = async (): Promise<string[]> => (await (await fetch(`${t.url}/metrics`)).text()).split('\n').filter((line) => /^kube_apiserver_(clusterip|nodeport)_allocator/.test(line));
  expect(await lines()).toEqual([
    'kube_apiserver_clusterip_allocator_allocated_ips{cidr="10.96.0.0/27"} 0',
    'kube_apiserver_clusterip_allocator_available_ips{cidr="10.96.0.0/27"} 30',
    'kube_apiserver_nodeport_allocator_allocated_ports 0',
    'kube_apiserver_nodeport_allocator_available_ports 10',
  ]);
  await t.api.create(Services, service('a', { type: 'NodePort' }));
  await t.api.create(Services, service('b'));
  await eventually(async () => (await t.api.list(IPAddresses)).items.length === 2);
  expect((await lines()).map((line) => Number(line.split(' ')[1]))).toEqual([2, 28, 1, 9]);
});
