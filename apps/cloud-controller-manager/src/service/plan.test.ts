import type { Node, Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { balancedNodes, balancerName, finalizer, hostEndpoints, plan, statusOf } from './plan.ts';

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
      listeners: [{ name: '', protocol: 'TCP', port: 80, targets: [{ address: '10.240.0.1', port: 30080 }, { address: '10.240.0.4', port: 30080 }] }],
      sourceRanges: ['10.0.0.0/8'],
      address: '',
    });
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

describe('what a service is told', () => {
  const listener = (port: number, hostEndpoint: string, error = ''): { spec: { port: number; protocol: string }; hostEndpoint: string; error: string } => ({ spec: { port, protocol: 'TCP' }, hostEndpoint, error });
  it('is the address alone when all is well', () => {
    const balancer = { name: 'a', address: '127.77.0.1', listeners: [listener(80, '127.77.0.1:80')] };
    expect(statusOf(balancer)).toEqual({ ingress: [{ ip: '127.77.0.1', ipMode: 'VIP' }] });
    expect(hostEndpoints(balancer)).toBe('');
  });
  it('is where ports went, and which failed', () => {
    const balancer = { name: 'a', address: '127.77.0.1', listeners: [listener(80, '127.77.0.1:40001'), listener(81, '', 'EACCES')] };
    expect(hostEndpoints(balancer)).toBe('80=127.77.0.1:40001');
    expect(statusOf(balancer).ingress?.[0]?.ports).toEqual([{ port: 80, protocol: 'TCP' }, { port: 81, protocol: 'TCP', error: 'ListenFailed' }]);
  });
});
