import type { EndpointSlice, Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import type { ServiceRule } from '@orrery/vnet';
import type { ProxyNode } from '../model/endpoints.ts';
import { healthPorts, serviceModel, serviceRules as rulesOf } from './rules.ts';

const serviceRules = (s: Service, slices: readonly EndpointSlice[], node: ProxyNode): ServiceRule[] => rulesOf(serviceModel(s, slices), node);
const dependsOnNode = (s: Service, slices: readonly EndpointSlice[] = []): boolean => serviceModel(s, slices).perNode;

const here = { name: 'node-1' };

function service(spec: Service['spec'], status: Service['status'] = {}): Service {
  return { metadata: { namespace: 'default', name: 'web' }, spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP' }], ...spec }, status };
}

interface Hints {
  zones?: string[];
  nodes?: string[];
}

type Conditions = { ready?: boolean; serving?: boolean; terminating?: boolean };

function slice(endpoints: [ip: string, node: string, conditions?: Conditions][], port: { name?: string; port: number } = { port: 8080 }): EndpointSlice {
  return {
    addressType: 'IPv4',
    ports: [{ protocol: 'TCP', ...port }],
    endpoints: endpoints.map(([ip, nodeName, conditions = { ready: true }]) => ({ addresses: [ip], nodeName, conditions })),
  };
}

const ips = (rules: readonly ServiceRule[]): string[][] => rules.map((rule) => rule.backends.map((b) => b.ip));

describe('serviceRules', () => {
  it.each(['service.kubernetes.io/headless', 'service.kubernetes.io/service-proxy-name'])('leaves a service alone that is labelled %s', (label) => {
    const { metadata, ...rest } = service({});
    expect(serviceRules({ ...rest, metadata: { ...metadata, labels: { [label]: '' } } }, [slice([['10.244.0.2', 'node-1']])], here)).toEqual([]);
  });

  it('sends the cluster address to the ready endpoints at their target port', () => {
    const rules = serviceRules(service({}), [slice([['10.244.0.2', 'node-1'], ['10.244.1.2', 'node-2'], ['10.244.1.3', 'node-2', { ready: false }]])], here);
    expect(rules).toHaveLength(1);
    expect(rules[0]).toMatchObject({ match: { ip: '10.96.0.7', port: 80, protocol: 'TCP' }, service: 'default/web', whenEmpty: 'refuse' });
    expect(rules[0]?.backends.map(({ ip, port }) => `${ip}:${port}`)).toEqual(['10.244.0.2:8080', '10.244.1.2:8080']);
  });

  it('uses terminating endpoints that still serve only when none is ready', () => {
    const dying: Conditions = { ready: false, serving: true, terminating: true };
    expect(ips(serviceRules(service({}), [slice([['10.244.0.2', 'node-1', dying]])], here))).toEqual([['10.244.0.2']]);
    expect(ips(serviceRules(service({}), [slice([['10.244.0.2', 'node-1', dying], ['10.244.0.3', 'node-1']])], here))).toEqual([['10.244.0.3']]);
  });

  it('matches ports by name', () => {
    const named = service({ ports: [{ name: 'http', port: 80 }, { name: 'admin', port: 81 }] });
    const rules = serviceRules(named, [slice([['10.244.0.2', 'node-1']], { name: 'admin', port: 9000 })], here);
    expect(rules.map((r) => [r.service, r.backends.length])).toEqual([['default/web:http', 0], ['default/web:admin', 1]]);
  });

  it('keeps Local external traffic on the node and drops it where there is no endpoint', () => {
    const local = service({ type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30080 }] });
    const slices = [slice([['10.244.1.2', 'node-2']])];
    const elsewhere = serviceRules(local, slices, here).find((r) => 'nodePort' in r.match);
    expect(elsewhere).toMatchObject({ backends: [], whenEmpty: 'drop' });
    expect(ips(serviceRules(local, slices, { name: 'node-2' }))[1]).toEqual(['10.244.1.2']);
    expect(dependsOnNode(local)).toBe(true);
  });

  it.each([
    [['10.96.0.7', 'fd00:96::7'], { 4: ['10.244.0.2'], 6: ['fd01::2'] }],
    [['fd00:96::7', '10.96.0.7'], { 4: ['10.244.0.2'], 6: ['fd01::2'] }],
    [['10.96.0.7'], { 4: ['10.244.0.2'] }],
    [['fd00:96::7'], { 6: ['fd01::2'] }],
  ])('gives the node port of a service at %j to the endpoints of each family: %j', (clusterIPs, expected) => {
    const dual = service({ type: 'NodePort', clusterIP: clusterIPs[0] as string, clusterIPs, ports: [{ port: 80, nodePort: 30080 }] });
    const slices: EndpointSlice[] = [slice([['10.244.0.2', 'node-1']]), { ...slice([['fd01::2', 'node-1']]), addressType: 'IPv6' }];
    const rules = serviceRules(dual, slices, here).flatMap(({ match, backends }) => ('nodePort' in match ? [[match.family ?? 4, backends.map(({ ip }) => ip)]] : []));
    expect(Object.fromEntries(rules)).toEqual(expected);
  });

  it('adds external and load-balancer addresses, affinity included', () => {
    const balanced = service(
      { type: 'LoadBalancer', externalIPs: ['192.0.2.1'], sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } },
      { loadBalancer: { ingress: [{ ip: '192.0.2.9', ipMode: 'VIP' }, { ip: '192.0.2.10', ipMode: 'Proxy' }] } },
    );
    const rules = serviceRules(balanced, [slice([['10.244.0.2', 'node-1']])], here);
    expect(rules.map((r) => ('ip' in r.match ? r.match.ip : r.match.nodePort))).toEqual(['10.96.0.7', '192.0.2.1', '192.0.2.9']);
    expect(rules.every((r) => r.affinitySeconds === 60)).toBe(true);
  });

  it('lets what is inside past a Local external policy, and masquerades only under Cluster', () => {
    const spec: Service['spec'] = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30999, loadBalancerSourceRanges: [' 203.0.113.0/24 '], ports: [{ port: 80, nodePort: 30080 }] };
    const local = service(spec, { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } });
    const slices = [slice([['10.244.0.2', 'node-1'], ['10.244.1.2', 'node-2']])];
    const [cluster, balancer, nodePort] = serviceRules(local, slices, here);
    expect(cluster).not.toHaveProperty('masquerade');
    for (const rule of [balancer, nodePort]) {
      expect(rule?.backends.map((b) => b.ip)).toEqual(['10.244.0.2']);
      expect(rule?.inside?.map((b) => b.ip)).toEqual(['10.244.0.2', '10.244.1.2']);
      expect(rule).not.toHaveProperty('masquerade');
    }
    expect(balancer?.sources).toEqual(['203.0.113.0/24']);
    expect(nodePort).not.toHaveProperty('sources');
    expect(healthPorts(serviceModel(local, slices), here)).toEqual([{ port: 30999, namespace: 'default', service: 'web', localEndpoints: 1 }]);
    expect(healthPorts(serviceModel(local, slices), { name: 'node-3' })).toMatchObject([{ localEndpoints: 0 }]);
    const open = serviceRules(service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }), slices, here);
    expect(open[1]).toMatchObject({ masquerade: true, backends: [{ ip: '10.244.0.2' }, { ip: '10.244.1.2' }] });
  });

  it('makes rules for each family from the slices of that family', () => {
    const dual = service({ clusterIPs: ['10.96.0.7', 'fd00::7'], ipFamilies: ['IPv4', 'IPv6'] });
    const six: EndpointSlice = { ...slice([['fd01::2', 'node-1']]), addressType: 'IPv6' };
    expect(serviceRules(dual, [slice([['10.244.0.2', 'node-1']]), six], here).map((r) => r.backends.map((b) => b.ip))).toEqual([['10.244.0.2'], ['fd01::2']]);
  });

  it.each<[string, ProxyNode, Hints[], string[]]>([
    ['a zone that all hint at', { name: 'node-1', zone: 'a' }, [{ zones: ['a'] }, { zones: ['b'] }], ['10.244.0.2']],
    ['a zone nobody hints at', { name: 'node-1', zone: 'c' }, [{ zones: ['a'] }, { zones: ['b'] }], ['10.244.0.2', '10.244.0.3']],
    ['a hint missing somewhere', { name: 'node-1', zone: 'a' }, [{ zones: ['a'] }, {}], ['10.244.0.2', '10.244.0.3']],
    ['a node without a zone', { name: 'node-1' }, [{ zones: ['a'] }, { zones: ['b'] }], ['10.244.0.2', '10.244.0.3']],
    ['hints of the node before those of the zone', { name: 'node-2', zone: 'a' }, [{ zones: ['a'], nodes: ['node-1'] }, { zones: ['a'], nodes: ['node-2'] }], ['10.244.0.3']],
    ['hints of no node of ours: the zone counts', { name: 'node-3', zone: 'a' }, [{ zones: ['a'], nodes: ['node-1'] }, { zones: ['b'], nodes: ['node-2'] }], ['10.244.0.2']],
  ])('follows topology hints: %s', (_name, node, hints, expected) => {
    const plain = slice([['10.244.0.2', 'node-1'], ['10.244.0.3', 'node-2']]);
    const forList = (names: readonly string[] | undefined): { name: string }[] => (names ?? []).map((name) => ({ name }));
    const endpoints = plain.endpoints?.map((endpoint, i) => ({ ...endpoint, hints: { forZones: forList(hints[i]?.zones), forNodes: forList(hints[i]?.nodes) } })) ?? [];
    const hinted = { ...plain, endpoints };
    expect(ips(serviceRules(service({}), [hinted], node))).toEqual([expected]);
    expect(dependsOnNode(service({}), [hinted])).toBe(true);
  });

  it.each<[string, Service['spec']]>([
    ['headless', { clusterIP: 'None' }],
    ['ExternalName', { type: 'ExternalName', externalName: 'example.com' }],
  ])('has no rules for %s services', (_name, spec) => expect(serviceRules(service(spec), [], here)).toEqual([]));
});
