import { EndpointSlices, Endpoints, Pods, Services } from '@orrery/api';
import type { EndpointSlice, Pod, Service } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { planEndpoints } from './endpoints-plan.ts';
import { isMirrored, planMirror } from './mirror-plan.ts';
import { planSlices } from './slice-plan.ts';

const service = (more: Partial<NonNullable<Service['spec']>> = {}): Service => ({
  metadata: { name: 's', namespace: 'a', uid: 'su' },
  spec: { selector: { app: 'x' }, clusterIP: '10.96.0.9', ports: [{ name: 'http', port: 80, targetPort: 'web' }], ...more },
});
const pod = (n: number, more: { ready?: boolean; deleting?: boolean; port?: number; phase?: string } = {}): Pod => ({
  metadata: { name: `p${n}`, namespace: 'a', uid: `u${n}`, labels: { app: 'x' }, ...(more.deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
  spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: more.port ?? 8080 }] }] },
  status: { phase: more.phase ?? 'Running', podIP: `10.244.0.${n}`, conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }] },
});
const plan = (pods: Pod[], slices: readonly EndpointSlice[] = [], of = service()) => planSlices({ service: of, pods, slices, nodeOf: () => ({ metadata: { labels: { 'topology.kubernetes.io/zone': 'z' } } }) });

test('endpoints tell readiness, serving and termination; finished pods are left out', () => {
  const { create } = plan([pod(1), pod(2, { ready: false }), pod(3, { deleting: true }), pod(4, { phase: 'Failed' })]);
  expect(create).toHaveLength(1);
  expect(create[0]?.ports).toEqual([{ name: 'http', port: 8080, protocol: 'TCP' }]);
  expect(create[0]?.endpoints?.map((e) => [e.addresses[0], e.conditions?.ready, e.conditions?.serving, e.conditions?.terminating, e.zone])).toEqual([
    ['10.244.0.1', true, true, false, 'z'],
    ['10.244.0.2', false, false, false, 'z'],
    ['10.244.0.3', false, true, true, 'z'],
  ]);
  expect(create[0]?.metadata?.labels).toEqual({ 'kubernetes.io/service-name': 's', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' });
  const published = plan([pod(2, { ready: false })], [], service({ publishNotReadyAddresses: true, clusterIP: 'None' })).create[0];
  expect([published?.endpoints?.[0]?.conditions?.ready, published?.metadata?.labels?.['service.kubernetes.io/headless']]).toEqual([true, '']);
});

test('trafficDistribution becomes hints of ready endpoints, which go with it', () => {
  const hintsOf = (trafficDistribution?: string): unknown[] => plan([pod(1), pod(2, { ready: false })], [], service(trafficDistribution ? { trafficDistribution } : {})).create[0]?.endpoints?.map(({ hints }) => hints) ?? [];
  expect(hintsOf()).toEqual([undefined, undefined]);
  for (const zone of ['PreferClose', 'PreferSameZone']) expect(hintsOf(zone)).toEqual([{ forZones: [{ name: 'z' }] }, undefined]);
  expect(hintsOf('PreferSameNode')).toEqual([{ forNodes: [{ name: 'n1' }], forZones: [{ name: 'z' }] }, undefined]);
  const hinted = plan([pod(1)], [], service({ trafficDistribution: 'PreferSameZone' })).create;
  expect(plan([pod(1)], hinted, service({ trafficDistribution: 'PreferSameZone' })).update).toEqual([]);
  expect(plan([pod(1)], hinted).update[0]?.endpoints?.[0]?.hints).toBeUndefined();
});

test('250 pods need three slices; one more pod touches one slice; different ports need different slices', () => {
  const pods = Array.from({ length: 250 }, (_, i) => pod(i));
  const first = plan(pods).create.map((slice, i) => ({ ...slice, metadata: { ...slice.metadata, name: `s-${i}` } }));
  expect(first.map((slice) => slice.endpoints?.length)).toEqual([100, 100, 50]);
  expect(plan(pods, first)).toEqual({ create: [], update: [], remove: [] });
  const grown = plan([...pods, pod(250)], first);
  expect([grown.create.length, grown.update.map((slice) => slice.metadata?.name), grown.remove.length]).toEqual([0, ['s-2'], 0]);
  const shrunk = plan(pods.slice(100), first);
  expect(shrunk.remove.map((slice) => slice.metadata?.name)).toEqual(['s-0']);
  expect(plan([pod(1), pod(2, { port: 9090 })]).create.map((slice) => slice.ports?.[0]?.port)).toEqual([8080, 9090]);
});

test('a Service without pods keeps one empty slice', () => {
  const { create } = plan([]);
  expect(create).toMatchObject([{ addressType: 'IPv4', endpoints: [], ports: [] }]);
  expect(plan([], create)).toEqual({ create: [], update: [], remove: [] });
  const back = plan([pod(1)], create);
  expect([back.create.length, back.remove]).toEqual([1, create]);
});

test('Endpoints hold ready and other addresses of each set of ports, at most 1000', () => {
  const wanted = planEndpoints({ service: service(), pods: [pod(2), pod(1), pod(3, { ready: false }), pod(4, { deleting: true })], existing: undefined });
  expect(wanted?.subsets).toMatchObject([{ addresses: [{ ip: '10.244.0.1' }, { ip: '10.244.0.2' }], notReadyAddresses: [{ ip: '10.244.0.3' }], ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }]);
  expect(planEndpoints({ service: service(), pods: [pod(2), pod(1), pod(3, { ready: false })], existing: wanted })).toBeUndefined();
  const many = planEndpoints({ service: service(), pods: Array.from({ length: 1001 }, (_, i) => pod(i)), existing: undefined });
  expect([many?.subsets?.[0]?.addresses?.length, many?.metadata?.annotations]).toEqual([1000, { 'endpoints.kubernetes.io/over-capacity': 'truncated' }]);
});

test('both controllers follow pods, and clean up after a Service', async () => {
  const { api, clock, complaints } = await startManager();
  await api.create(Services, service());
  api.seed(Pods, pod(1, { ready: false }));
  await clock.advance(100);
  const conditions = () => api.objects(EndpointSlices).flatMap((slice) => slice.endpoints?.map((e) => e.conditions?.ready));
  expect(conditions()).toEqual([false]);
  api.setStatus(Pods, { namespace: 'a', name: 'p1' }, { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:30Z' }] });
  await clock.advance(100);
  expect(conditions()).toEqual([true]);
  expect(api.objects(EndpointSlices)[0]?.metadata?.annotations?.['endpoints.kubernetes.io/last-change-trigger-time']).toBe('2026-01-01T00:00:30Z');
  expect(api.find(Endpoints, 's', 'a')?.subsets?.[0]?.addresses).toHaveLength(1);
  await api.delete(Services, { namespace: 'a', name: 's' });
  await clock.advance(100);
  expect(api.find(Endpoints, 's', 'a')).toBeUndefined();
  expect(complaints).toEqual([]);
});

test('Endpoints kept by hand are mirrored into one slice of each address type; changes update it', async () => {
  const { api, clock, complaints } = await startManager();
  await api.create(Services, { metadata: { name: 's', namespace: 'a' }, spec: { ports: [{ port: 80 }] } });
  const subsets = (ip: string, port: number) => [{ addresses: [{ ip }], notReadyAddresses: [{ ip: '10.0.0.9' }], ports: [{ name: 'http', port }] }];
  const made = await api.create(Endpoints, { metadata: { name: 's', namespace: 'a', labels: { x: 'y' }, annotations: { note: '1', 'kubectl.kubernetes.io/last-applied-configuration': '{}' } }, subsets: subsets('10.0.0.1', 80) });
  await clock.advance(100);
  const [first, ...others] = api.objects(EndpointSlices);
  expect(others).toEqual([]);
  expect(first).toMatchObject({
    metadata: {
      generateName: 's-',
      annotations: { note: '1' },
      labels: { x: 'y', 'kubernetes.io/service-name': 's', 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' },
      ownerReferences: [{ kind: 'Endpoints', name: 's', controller: true }],
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }, { addresses: ['10.0.0.9'], conditions: { ready: false } }],
  });
  expect(first?.metadata?.annotations).toEqual({ note: '1' });
  await api.update(Endpoints, { ...made, subsets: subsets('10.0.0.2', 8080) });
  await clock.advance(100);
  expect(api.objects(EndpointSlices).map((slice) => [slice.metadata?.name, slice.endpoints?.[0]?.addresses, slice.ports?.[0]?.port])).toEqual([[first?.metadata?.name, ['10.0.0.2'], 8080]]);
  await api.update(Endpoints, { ...(await api.get(Endpoints, { namespace: 'a', name: 's' })), subsets: [] });
  await clock.advance(100);
  expect(api.objects(EndpointSlices)).toEqual([]);
  expect(complaints).toEqual([]);
});

test.each([
  ['of a Service with a selector', { spec: { selector: { a: 'b' } } }, {}],
  ['that say so', {}, { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }],
  ['that are a lock', {}, { annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } }],
])('Endpoints %s are not mirrored', (_, service, metadata) => {
  expect(isMirrored({ metadata }, service)).toBe(false);
});

test('Endpoints without Service are not mirrored; more than a thousand of a subset are cut', () => {
  expect([isMirrored({}, undefined), isMirrored({}, {})]).toEqual([false, true]);
  const addresses = Array.from({ length: 1001 }, (_, i) => ({ ip: `10.1.${i >> 8}.${i & 255}` }));
  expect(planMirror({ endpoints: { subsets: [{ addresses }] }, slices: [] }).create[0]?.endpoints).toHaveLength(1000);
});
