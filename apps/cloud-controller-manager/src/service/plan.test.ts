import type { EndpointSlice, Node, Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { AnnotationError, settingsOf } from './annotations.ts';
import { changeEvent } from './changes.ts';
import { balancerName, finalizer, hostEndpoints, plan, statusOf } from './plan.ts';
import { balancedNodes } from './targets.ts';

function node(name: string, ready = 'True', more: Node['metadata'] = {}): Node {
  return { metadata: { name, ...more }, status: { addresses: [{ type: 'InternalIP', address: `10.240.0.${name}` }], conditions: [{ type: 'Ready', status: ready }] } };
}

function service(spec: Service['spec'], more: { metadata?: Service['metadata']; status?: Service['status'] } = {}): Service {
  return { metadata: { name: 'web', namespace: 'd', uid: '11111111-2222-3333-4444-555555555555', ...more.metadata }, spec: { ports: [{ port: 80, nodePort: 30080 }], ...spec }, status: more.status ?? {} };
}

const balanced = { type: 'LoadBalancer' };
const has = { metadata: { finalizers: [finalizer] } };

describe('plan', () => {
  it('forwards every port to the node port of every node that may take traffic', () => {
    const nodes = [node('1'), node('2', 'False'), node('3', 'True', { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } }), node('4')];
    expect(balancedNodes(nodes).map((n) => n.metadata?.name)).toEqual(['1', '4']);
    expect(plan(service({ ...balanced, loadBalancerSourceRanges: ['10.0.0.0/8'] }), nodes)).toEqual({
      action: 'ensure',
      name: 'a1111111122223333444455555555555',
      owner: '11111111-2222-3333-4444-555555555555',
      mustExist: false,
      listeners: [{ name: '', protocol: 'TCP', port: 80, targets: [{ address: '10.240.0.1', port: 30080 }, { address: '10.240.0.4', port: 30080 }], scheduler: '', persistenceSeconds: 0 }],
      sourceRanges: ['10.0.0.0/8'],
      address: '',
      internal: false,
      specification: '',
      bandwidthMbps: 0,
      hosts: ['1', '4'],
    });
  });

  it.each<[string, string[], string[], string]>([
    ['IPv4', ['10.240.0.1', 'fd00::1'], ['IPv4', 'IPv6'], '10.240.0.1'],
    ['IPv6', ['10.240.0.1', 'fd00::1'], ['IPv6'], 'fd00::1'],
    ['IPv6, at a node that has none of it', ['10.240.0.1'], ['IPv6'], '10.240.0.1'],
    ['no family', ['fd00::1'], [], 'fd00::1'],
  ])('goes to the address that nodes have of the family: %s', (_name, addresses, ipFamilies, expected) => {
    const dual: Node = { ...node('1'), status: { ...node('1').status, addresses: addresses.map((address) => ({ type: 'InternalIP', address })) } };
    expect(plan(service({ ...balanced, ipFamilies }), [dual])).toMatchObject({ listeners: [{ targets: [{ address: expected, port: 30080 }] }] });
  });

  it.each<[string, Service, string]>([
    ['a cluster service', service({ type: 'ClusterIP' }), 'none'],
    ['a class of somebody else', service({ ...balanced, loadBalancerClass: 'example.com/x' }), 'none'],
    ['a service that no longer wants one', service({ type: 'ClusterIP' }, has), 'delete'],
    ['a status left behind', service({ type: 'NodePort' }, { status: { loadBalancer: { ingress: [{ ip: '127.77.0.1' }] } } }), 'delete'],
    ['a service that is being deleted', service(balanced, { metadata: { ...has.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }), 'delete'],
    ['one that is deleted and never had any', service(balanced, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), 'none'],
  ])('for %s', (_name, given, action) => expect(plan(given, [node('1')]).action).toBe(action));

  it('names balancers in at most 32 characters', () => expect(balancerName(service(balanced)).length).toBeLessThanOrEqual(32));
});

describe('server groups', () => {
  const nodes = [node('1'), node('2'), node('3')];
  const endpoint = (address: string, nodeName: string, ready = true) => ({ addresses: [address], nodeName, conditions: { ready } });
  const slice: EndpointSlice = {
    metadata: { name: 'web-x' },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints: [endpoint('10.244.1.2', '1'), endpoint('10.244.1.3', '1'), endpoint('10.244.2.2', '2'), endpoint('10.244.3.2', '3', false)],
  };
  const targetsOf = (given: Service): unknown => {
    const todo = plan(given, nodes, [slice]);
    return todo.action === 'ensure' ? todo.listeners[0]?.targets : todo;
  };
  it('are the nodes with endpoints, by how many, under the policy Local, and these are checked', () => {
    const local = service({ ...balanced, externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 });
    expect(targetsOf(local)).toEqual([{ address: '10.240.0.1', port: 30_080, weight: 100 }, { address: '10.240.0.2', port: 30_080, weight: 50 }]);
    expect(plan(local, nodes, [slice])).toMatchObject({ listeners: [{ healthCheck: { type: 'HTTP', port: 31_000, path: '/healthz' } }] });
  });
  it('are pods for backend eni, and where there are no node ports', () => {
    const pods = [{ address: '10.244.1.2', port: 8080 }, { address: '10.244.1.3', port: 8080 }, { address: '10.244.2.2', port: 8080 }];
    expect(targetsOf(service(balanced, { metadata: { annotations: { 'service.beta.kubernetes.io/backend-type': 'eni' } } }))).toEqual(pods);
    expect(targetsOf(service({ ...balanced, allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] }))).toEqual(pods);
  });
  it('leave out nodes that the autoscaler takes away and those without the labels asked for', () => {
    const leaving: Node = { ...node('4'), spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } };
    expect(balancedNodes([leaving, node('5', 'True', { labels: { pool: 'edge' } }), node('6')], { pool: 'edge' }).map((n) => n.metadata?.name)).toEqual(['5']);
  });
});

describe('annotations', () => {
  const ours = (entries: Record<string, string>): Record<string, string> => Object.fromEntries(Object.entries(entries).map(([name, value]) => [`service.beta.kubernetes.io/orrery-load-balancer-${name}`, value]));
  it('shape the balancer', () => {
    const annotations = ours({ id: 'mine', 'address-type': 'intranet', spec: 'lb.large', bandwidth: '50', scheduler: 'wlc', 'persistence-timeout': '30', 'protocol-port': 'http:80', 'health-check-type': 'http', 'health-check-uri': '/ok', 'health-check-interval': '3' });
    expect(plan(service({ ...balanced, sessionAffinity: 'ClientIP' }, { metadata: { annotations } }), [])).toMatchObject({
      name: 'mine', mustExist: true, internal: true, specification: 'lb.large', bandwidthMbps: 50,
      listeners: [{ protocol: 'HTTP', scheduler: 'wlc', persistenceSeconds: 30, healthCheck: { type: 'HTTP', path: '/ok', intervalMs: 3000 } }],
    });
  });
  it('of the provider people come from mean the same', () => {
    expect(settingsOf({ 'service.beta.kubernetes.io/alibaba-cloud-loadbalancer-scheduler': 'rr', 'service.beta.kubernetes.io/alibaba-cloud-loadbalancer-backend-type': 'eni' })).toMatchObject({ scheduler: 'rr', backend: 'eni' });
  });
  it('of upstream give source ranges, session affinity gives persistence', () => {
    expect(plan(service({ ...balanced, sessionAffinity: 'ClientIP' }, { metadata: { annotations: { 'service.beta.kubernetes.io/load-balancer-source-ranges': '10.0.0.0/8, 192.0.2.0/24' } } }), [])).toMatchObject({ sourceRanges: ['10.0.0.0/8', '192.0.2.0/24'], listeners: [{ persistenceSeconds: 10_800 }] });
  });
  it.each([
    [{ bandwidth: 'much' }, 'annotation bandwidth: "much" is not a number between 1 and 100000'],
    [{ scheduler: 'best' }, 'annotation scheduler: "best" is none of rr, wrr, wlc, sch'],
    [{ 'protocol-port': 'https:443' }, 'annotation protocol-port: "https:443" is not PROTOCOL:PORT with tcp, udp or http'],
  ])('%j is refused', (entries, message) => expect(() => settingsOf(ours(entries))).toThrow(new AnnotationError(message)));
});

it.each<[string, Service['spec'], Service['spec'], unknown]>([
  ['type', { type: 'ClusterIP' }, balanced, { reason: 'Type', message: 'ClusterIP -> LoadBalancer' }],
  ['ranges', balanced, { ...balanced, loadBalancerSourceRanges: ['a', 'b'] }, { reason: 'LoadBalancerSourceRanges', message: '[] -> [a b]' }],
  ['address', balanced, { ...balanced, loadBalancerIP: '1.2.3.4' }, { reason: 'LoadbalancerIP', message: ' -> 1.2.3.4' }],
  ['external addresses', balanced, { ...balanced, externalIPs: ['1.2.3.4'] }, { reason: 'ExternalIP', message: 'Count: 0 -> 1' }],
  ['another external address', { ...balanced, externalIPs: ['1.2.3.5'] }, { ...balanced, externalIPs: ['1.2.3.4'] }, { reason: 'ExternalIP', message: 'Added: 1.2.3.4' }],
  ['policy', { ...balanced, externalTrafficPolicy: 'Cluster' }, { ...balanced, externalTrafficPolicy: 'Local' }, { reason: 'ExternalTrafficPolicy', message: 'Cluster -> Local' }],
  ['health check port', balanced, { ...balanced, healthCheckNodePort: 3 }, { reason: 'HealthCheckNodePort', message: '0 -> 3' }],
  ['nothing', balanced, balanced, undefined],
  ['no balancer at all', { type: 'ClusterIP' }, { type: 'NodePort' }, undefined],
])('a change of %s is told as upstream tells it', (_what, before, after, event) => expect(changeEvent(service(before), service(after))).toEqual(event));

describe('what a service is told', () => {
  const listener = (port: number, hostEndpoint: string, error = ''): { spec: { port: number; protocol: string }; hostEndpoint: string; error: string } => ({ spec: { port, protocol: 'TCP' }, hostEndpoint, error });
  it('is the address alone when all is well', () => {
    const balancer = { name: 'a', address: '127.77.0.1', listeners: [listener(80, '127.77.0.1:80')] };
    expect(statusOf(balancer, '')).toEqual({ ingress: [{ ip: '127.77.0.1', ipMode: 'VIP' }] });
    expect(hostEndpoints(balancer, '')).toBe('');
  });
  it('is where ports went, and which failed', () => {
    const balancer = { name: 'a', address: '127.77.0.1', listeners: [listener(80, '127.77.0.1:40001'), listener(81, '', 'EACCES')] };
    expect(hostEndpoints(balancer, '')).toBe('80=127.77.0.1:40001');
    expect(statusOf(balancer, '').ingress?.[0]?.ports).toEqual([{ port: 80, protocol: 'TCP' }, { port: 81, protocol: 'TCP', error: 'ListenFailed' }]);
  });
});
