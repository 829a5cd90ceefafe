import { EndpointSlices, Nodes, Services } from '@orrery/api';
import type { Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { fakeNetwork } from '../../cloud/src/testing/cloud-harness.ts';
import { startCcm } from './testing/ccm-harness.ts';

const uninitialized = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' };

describe('nodes', () => {
  it('are told what the cloud knows of them, and freed of their taint', async () => {
    const { api, clock, events, instances, node, nodeNamed } = await startCcm();
    const instance = await instances.create({ name: 'vm', type: 'o1.large', zone: 'orrery-1b', publicIp: '198.51.100.7', labels: { pool: 'w', 'x.kubernetes.io/y': 'no' } });
    await node('vm', { spec: { taints: [uninitialized, { key: 'other', effect: 'NoSchedule' }], podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] } });
    await clock.advance(2000);
    const now = nodeNamed('vm');
    expect(now?.spec).toMatchObject({ providerID: instance.providerId, taints: [{ key: 'other', effect: 'NoSchedule' }] });
    expect(now?.metadata?.labels).toEqual({
      pool: 'w',
      'node.kubernetes.io/instance-type': 'o1.large', 'beta.kubernetes.io/instance-type': 'o1.large',
      'topology.kubernetes.io/zone': 'orrery-1b', 'failure-domain.beta.kubernetes.io/zone': 'orrery-1b',
      'topology.kubernetes.io/region': 'orrery-1', 'failure-domain.beta.kubernetes.io/region': 'orrery-1',
    });
    expect(now?.status?.addresses).toEqual([{ type: 'InternalIP', address: '10.241.0.1' }, { type: 'ExternalIP', address: '198.51.100.7' }, { type: 'Hostname', address: 'vm' }]);
    expect(events()).toContain('Synced Node synced successfully');
    await api.patch(Nodes, { name: 'vm' }, { metadata: { labels: { 'topology.kubernetes.io/zone': 'orrery-1c' } } }, { type: 'application/merge-patch+json' });
    await clock.advance(100);
    expect(nodeNamed('vm')?.metadata?.labels?.['failure-domain.beta.kubernetes.io/zone']).toBe('orrery-1c');
  });

  it('wait for an instance, and for an address that the cloud knows', async () => {
    const { clock, instances, node, nodeNamed } = await startCcm();
    await node('late', { spec: { taints: [uninitialized] } });
    await node('wrong', { spec: { taints: [uninitialized] }, metadata: { annotations: { 'alpha.kubernetes.io/provided-node-ip': '192.0.2.9' } } });
    await instances.create({ name: 'wrong' });
    await clock.advance(10_000);
    expect([nodeNamed('late')?.spec?.taints, nodeNamed('wrong')?.spec?.taints]).toEqual([[uninitialized], [uninitialized]]);
    await instances.create({ name: 'late' });
    await clock.advance(60_000);
    expect(nodeNamed('late')?.spec?.taints).toBeUndefined();
    expect(nodeNamed('wrong')?.spec?.taints).toEqual([uninitialized]);
  });

  it('go with their instance and are tainted while it is shut down, but only ours and only when they are not ready', async () => {
    const { api, clock, events, instances, node, nodeNamed, operations } = await startCcm();
    const made = await Promise.all(['a', 'bb', 'ccc'].map((name) => instances.create({ name })));
    const [a, bb, ccc] = made.map(({ providerId = '' }) => ({ providerID: providerId }));
    await node('a', { ready: 'Unknown', spec: a ?? {} });
    await node('bb', { ready: 'False', spec: bb ?? {} });
    await node('ccc', { spec: ccc ?? {} });
    await node('dddd', { ready: 'Unknown' });
    await node('eeeee', { ready: 'Unknown', spec: { providerID: 'aws:///x/i-1' } });
    await instances.stop({ name: 'bb' });
    await clock.advance(10_000);
    expect(nodeNamed('bb')?.spec?.taints).toEqual([{ key: 'node.cloudprovider.kubernetes.io/shutdown', effect: 'NoSchedule' }]);
    await operations.setFault({ method: 'Instances/*', code: 14 });
    await clock.advance(10_000);
    expect(api.objects(Nodes)).toHaveLength(5);
    await operations.clearFaults({});
    for (const name of ['a', 'ccc']) await instances.terminate({ name });
    await clock.advance(10_000);
    expect(api.objects(Nodes).map(({ metadata }) => metadata?.name)).toEqual(['bb', 'ccc', 'dddd', 'eeeee']);
    expect(events()).toContain('DeletingNode Deleting node a because it does not exist in the cloud provider');
    api.setStatus(Nodes, { name: 'bb' }, { conditions: [{ type: 'Ready', status: 'True' }] });
    await clock.advance(6000);
    expect(nodeNamed('bb')?.spec?.taints).toBeUndefined();
  });
});

describe('routes', () => {
  const conditionOf = (node: { status?: { conditions?: { type: string; status: string; reason?: string }[] } } | undefined): string => {
    const found = node?.status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
    return `${found?.status ?? ''} ${found?.reason ?? ''}`;
  };
  const ranged = (cidr: string) => ({ podCIDR: cidr, podCIDRs: [cidr] });

  it('follow the nodes, whatever others do to the table', async () => {
    const { api, clock, events, node, nodeNamed, operations, routes } = await startCcm();
    const table = async () => ((await routes.list({ clusterName: 'kubernetes' })).routes ?? []).map(({ targetNode, destinationCidr, nextHops }) => `${targetNode ?? ''} ${destinationCidr ?? ''} ${String(nextHops)}`).sort();
    await node('a', { spec: ranged('10.244.0.0/24') });
    await node('bb', { spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00::/64'] } });
    await node('ccc');
    await clock.advance(1000);
    const both = ['a 10.244.0.0/24 10.240.0.1', 'bb 10.244.1.0/24 10.240.0.2'];
    expect(await table()).toEqual(both);
    expect([conditionOf(nodeNamed('a')), conditionOf(nodeNamed('bb')), conditionOf(nodeNamed('ccc'))]).toEqual(['False RouteCreated', 'False RouteCreated', ' ']);
    const [first] = (await routes.list({})).routes ?? [];
    await routes.delete({ name: first?.name ?? '' });
    await routes.create({ clusterName: 'kubernetes', destinationCidr: '10.244.9.0/24', targetNode: 'ghost', nextHops: ['10.240.0.9'] });
    await routes.create({ clusterName: 'other', destinationCidr: '10.244.9.0/24', targetNode: 'ghost', nextHops: ['10.240.0.9'] });
    await clock.advance(15_000);
    expect(await table()).toEqual(both);
    expect((await routes.list({ clusterName: 'other' })).routes).toHaveLength(1);
    api.setStatus(Nodes, { name: 'a' }, { addresses: [{ type: 'InternalIP', address: '10.240.0.77' }] });
    await clock.advance(1000);
    expect(await table()).toEqual(['a 10.244.0.0/24 10.240.0.77', both[1]]);
    await api.delete(Nodes, { name: 'bb' });
    await operations.setFault({ method: 'Routes/Create', code: 8, message: 'no room', count: 2 });
    await node('dddd', { spec: ranged('10.244.1.0/24') });
    await clock.advance(3);
    expect(conditionOf(nodeNamed('dddd'))).toBe('True NoRouteCreated');
    await clock.advance(15_000);
    expect(conditionOf(nodeNamed('dddd'))).toBe('False RouteCreated');
    expect(await table()).toEqual(['a 10.244.0.0/24 10.240.0.77', 'dddd 10.244.1.0/24 10.240.0.4']);
    expect(events().some((text) => /^FailedToCreateRoute Could not create route \S+ 10\.244\.1\.0\/24 for node dddd after \d+ms: no room$/.test(text))).toBe(true);
  });

  it('are left alone when they are not wanted', async () => {
    const { clock, node, nodeNamed, routes } = await startCcm({ configureCloudRoutes: false });
    await node('a', { spec: ranged('10.244.0.0/24') });
    await clock.advance(20_000);
    expect([(await routes.list({})).routes, conditionOf(nodeNamed('a'))]).toEqual([[], ' ']);
  });
});

describe('services', () => {
  const web = (name: string, spec: Service['spec'] = {}, annotations: Record<string, string> = {}): Service => ({
    apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'd', annotations }, spec: { type: 'LoadBalancer', ports: [{ name: 'http', port: 80, nodePort: 30_080, targetPort: 8080 }], ...spec },
  });
  const annotation = (name: string): string => `service.beta.kubernetes.io/orrery-load-balancer-${name}`;
  const mergePatch = { type: 'application/merge-patch+json' } as const;
  const started = async () => {
    const ccm = await startCcm({}, fakeNetwork());
    const targets = async (service: string) => {
      const { uid = '' } = ccm.api.objects(Services).find(({ metadata }) => metadata?.name === service)?.metadata ?? {};
      const all = (await ccm.balancers.list({})).loadBalancers ?? [];
      const listeners = all.flatMap(({ listeners: own = [] }) => own).filter(({ owner }) => owner === uid);
      return listeners.flatMap(({ spec }) => (spec?.targets ?? []).map(({ address = '', port = 0 }) => `${address}:${port}`));
    };
    const service = (name: string): Service | undefined => ccm.api.objects(Services).find(({ metadata }) => metadata?.name === name);
    return { ...ccm, targets, service };
  };

  it('have a balancer from their creation to their end, and tell of it as upstream', async () => {
    const { api, balancers, clock, events, node, service, targets } = await started();
    await node('a');
    await api.create(Services, web('s'));
    await clock.advance(1000);
    expect(service('s')?.status?.loadBalancer).toEqual({ ingress: [{ ip: '127.77.0.1', ipMode: 'VIP' }] });
    expect(service('s')?.metadata?.finalizers).toEqual(['service.kubernetes.io/load-balancer-cleanup']);
    expect(events()).toEqual(['EnsuringLoadBalancer Ensuring load balancer', 'EnsuredLoadBalancer Ensured load balancer']);
    await node('bb');
    await clock.advance(1000);
    expect(await targets('s')).toEqual(['10.240.0.1:30080', '10.240.0.2:30080']);
    expect(events()).toContain('UpdatedLoadBalancer Updated load balancer with new hosts');
    await api.patch(Services, { namespace: 'd', name: 's' }, { spec: { loadBalancerSourceRanges: ['10.0.0.0/8'] } }, mergePatch);
    await clock.advance(1000);
    expect(events()).toContain('LoadBalancerSourceRanges [] -> [10.0.0.0/8]');
    await api.patch(Services, { namespace: 'd', name: 's' }, { spec: { type: 'NodePort' } }, mergePatch);
    await clock.advance(1000);
    expect((await balancers.list({})).loadBalancers).toEqual([]);
    expect([service('s')?.status?.loadBalancer, service('s')?.metadata?.finalizers ?? []]).toEqual([undefined, []]);
    expect(events().slice(-3)).toEqual(['Type LoadBalancer -> NodePort', 'DeletingLoadBalancer Deleting load balancer', 'DeletedLoadBalancer Deleted load balancer']);
  });

  it('are tried again until the cloud can, and say what is wrong', async () => {
    const { api, clock, events, node, operations, service } = await started();
    await operations.setFault({ method: 'LoadBalancers/Ensure', code: 14, message: 'busy' });
    await api.create(Services, web('s'));
    await api.create(Services, web('odd', {}, { [annotation('scheduler')]: 'best' }));
    await clock.advance(1000);
    expect(events()).toEqual(expect.arrayContaining([
      'UnAvailableLoadBalancer There are no available nodes for LoadBalancer',
      'SyncLoadBalancerFailed Error syncing load balancer: failed to ensure load balancer: busy',
      'SyncLoadBalancerFailed Error syncing load balancer: failed to ensure load balancer: annotation scheduler: "best" is none of rr, wrr, wlc, sch',
    ]));
    await operations.clearFaults({});
    await clock.advance(60_000);
    expect(service('s')?.status?.loadBalancer?.ingress).toHaveLength(1);
    // The first one's events are more than one object may have.
    await api.create(Services, web('t', { ports: [{ port: 81, nodePort: 30_081 }] }));
    await clock.advance(1000);
    await operations.setFault({ method: 'LoadBalancers/Ensure', code: 14, message: 'busy' });
    await node('a');
    await clock.advance(1000);
    expect(events()).toContain('UpdateLoadBalancerFailed Error updating load balancer with new hosts map[a:{}]: busy');
  });

  it('share a balancer that was there, and leave it behind', async () => {
    const { api, balancers, clock, events, node, service } = await started();
    await balancers.create({ name: 'mine' });
    await node('a');
    const given = { [annotation('id')]: 'mine' };
    await api.create(Services, web('one', {}, given));
    await api.create(Services, web('two', { ports: [{ port: 81, nodePort: 30_081 }] }, given));
    await api.create(Services, web('third', {}, given));
    await clock.advance(1000);
    expect([service('one')?.status?.loadBalancer, service('two')?.status?.loadBalancer]).toEqual([{ ingress: [{ ip: '127.77.0.1', ipMode: 'VIP' }] }, { ingress: [{ ip: '127.77.0.1', ipMode: 'VIP' }] }]);
    expect(events().find((text) => text.includes('belongs to'))).toContain('listener TCP/80 of load balancer mine belongs to');
    // Back to one of its own: nothing is left on the other.
    await api.patch(Services, { namespace: 'd', name: 'one' }, { metadata: { annotations: { [annotation('id')]: null } } }, mergePatch);
    await clock.advance(60_000);
    expect((await balancers.get({ name: 'mine' })).listeners?.map(({ spec }) => spec?.port).sort()).toEqual([80, 81]);
    expect(service('one')?.status?.loadBalancer?.ingress?.[0]?.ip).toBe('127.77.0.2');
    expect(service('third')?.status?.loadBalancer?.ingress?.[0]?.ip).toBe('127.77.0.1');
    for (const name of ['two', 'third']) await api.delete(Services, { namespace: 'd', name });
    await clock.advance(1000);
    expect(await balancers.get({ name: 'mine' })).toMatchObject({ listeners: [], userCreated: true });
    expect(service('two')).toBeUndefined();
  });

  it('follow their endpoints where targets are pods or nodes with pods', async () => {
    const { api, clock, node, targets } = await started();
    await node('a');
    await node('bb');
    await api.create(Services, web('pods', { ports: [{ name: 'http', port: 80 }], allocateLoadBalancerNodePorts: false }));
    await api.create(Services, web('local', { externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }));
    const endpoints = (service: string, nodes: readonly string[]) => ({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: service, namespace: 'd', labels: { 'kubernetes.io/service-name': service } }, addressType: 'IPv4', ports: [{ name: 'http', port: 8080 }], endpoints: nodes.map((nodeName, i) => ({ addresses: [`10.244.0.${i + 2}`], nodeName, conditions: { ready: true } })) });
    await api.create(EndpointSlices, endpoints('pods', ['a', 'bb']));
    await api.create(EndpointSlices, endpoints('local', ['bb']));
    await clock.advance(1000);
    expect([await targets('pods'), await targets('local')]).toEqual([['10.244.0.2:8080', '10.244.0.3:8080'], ['10.240.0.2:30080']]);
    await api.patch(EndpointSlices, { namespace: 'd', name: 'local' }, { endpoints: [{ addresses: ['10.244.0.9'], nodeName: 'a', conditions: { ready: true } }] }, mergePatch);
    await clock.advance(1000);
    expect(await targets('local')).toEqual(['10.240.0.1:30080']);
  });
});

it('refuses controllers that there are not', async () => {
  await expect(startCcm({ controllers: ['moon'] })).rejects.toThrow('--controllers: moon is not in the list of known controllers: cloud-node-controller, cloud-node-lifecycle-controller, service-lb-controller, node-route-controller');
  await expect(startCcm({ nodeMonitorPeriod: '0s' })).rejects.toThrow('--node-monitor-period: it must be greater than zero');
});

it('tells of every feature gate whether it is on', async () => {
  const { metrics } = await startCcm({ featureGates: ['CloudControllerManagerWebhook=true'] });
  expect(metrics()).toContain('kubernetes_feature_enabled{name="CloudControllerManagerWebhook",stage="ALPHA"} 1');
  expect(metrics()).toContain('kubernetes_feature_enabled{name="MaxUnavailableStatefulSet",stage="BETA"} 0');
});
