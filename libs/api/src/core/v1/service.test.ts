import { describe, expect, it } from 'vitest';
import type { Service } from '../../../gen/types.ts';
import { context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { serviceKind } from './service.ts';

const port = { port: 80 };
const spec = (fields: object): object => ({ spec: { ports: [port], ...fields } });

describe('validation', () => {
  it.each<[string, object, string[]]>([
    ['a load balancer without addresses', spec({ type: 'LoadBalancer', clusterIP: 'None' }), ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services"]],
    ['a name with families', spec({ type: 'ExternalName', externalName: 'a_b', ipFamilies: ['IPv4'] }), [
      'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
      "spec.externalName: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ]],
    ['two addresses of a family', spec({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', '10.0.0.2'] }), ['spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family']],
    ['None and more', spec({ clusterIP: 'None', clusterIPs: ['None', '10.0.0.2'] }), ["spec.clusterIPs: Invalid value: [\"None\",\"10.0.0.2\"]: 'None' must be the first and only value"]],
    ['families', spec({ ipFamilies: ['IPv4', 'IPv4', 'IPX'], ipFamilyPolicy: 'Both' }), [
      'spec.ipFamilies[1]: Duplicate value: "IPv4"',
      'spec.ipFamilies[2]: Unsupported value: "IPX": supported values: "IPv4", "IPv6"',
      'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ]],
    ['outside addresses', spec({ externalIPs: ['127.0.0.1', '01.2.3.4'] }), [
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'spec.externalIPs[1]: Invalid value: "01.2.3.4": must not have leading 0s',
    ]],
    ['sources of a balancer', spec({ type: 'LoadBalancer', loadBalancerSourceRanges: [' 10.0.0.0/8 ', '10.0.0.1/8', 'x'] }), [
      'spec.LoadBalancerSourceRanges[1]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
      'spec.LoadBalancerSourceRanges[2]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ]],
    ['affinity for longer than a day', spec({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } } }), [
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
    ]],
    ['settings of balancers elsewhere', spec({ allocateLoadBalancerNodePorts: true, loadBalancerClass: 'a/b', healthCheckNodePort: 1 }), [
      "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.healthCheckNodePort: Invalid value: 1: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ]],
    ['policies', spec({ internalTrafficPolicy: 'Near', trafficDistribution: 'Far' }), [
      'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
      'spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
    ]],
    ['annotations that differ', { ...spec({}), metadata: { name: 'x', namespace: 'default', annotations: { 'service.kubernetes.io/topology-mode': 'Auto', 'service.kubernetes.io/topology-aware-hints': 'auto' } } }, [
      'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Auto": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified',
    ]],
  ])('%s', (_, fields, expected) => expect(problems(serviceKind, fields)).toEqual(expected));

  it.each<[string, object, object, string[]]>([
    ['a class of balancers stays', spec({ type: 'LoadBalancer', loadBalancerClass: 'a/b' }), spec({ type: 'LoadBalancer' }), ['spec.loadBalancerClass: Invalid value: null: may not change once set']],
    ['a health check port stays', spec({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30000 }), spec({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30001 }), ['spec.healthCheckNodePort: Forbidden: field is immutable']],
    ['an old range of sources stays as it was', spec({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.1/8'] }), spec({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.1/8'] }), []],
    ['an address goes with the type', spec({ clusterIP: '10.0.0.1' }), { spec: { type: 'ExternalName', externalName: 'a.b', clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] } }, []],
  ])('%s', (_, old, next, expected) => expect(updateProblems(serviceKind, { old, next })).toEqual(expected));
});

it('a client that knows clusterIP only keeps both addresses', () => {
  const old = created(serviceKind, spec({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'] }));
  const next = made<Service>(serviceKind, spec({ clusterIP: '10.0.0.1' }));
  serviceKind.prepareForUpdate(next, old, context);
  expect(next.spec?.clusterIPs).toEqual(['10.0.0.1', 'fd00::1']);
});

it.each<[object, object[], string[]]>([
  [{ type: 'LoadBalancer' }, [{ ip: '10.0.0.1' }], []],
  [{ type: 'LoadBalancer' }, [{ hostname: '10.0.0.1', ipMode: 'VIP' }], [
    'status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set',
    'status.loadBalancer.ingress[0].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  ]],
  [{}, [{ ip: '10.0.0.1' }], ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]],
])('status of %j with %j', (fields, ingress, expected) => {
  const service = made<Service>(serviceKind, { ...spec(fields), status: { loadBalancer: { ingress } } });
  expect(serviceKind.validateStatusUpdate(service, created(serviceKind, spec(fields))).map(({ field, message }) => `${field}: ${message}`)).toEqual(expected);
});

it.each<[object, string[]]>([
  [{ clusterIP: 'None', sessionAffinity: 'ClientIP', externalIPs: ['1.2.3.4'] }, ['spec.externalIPs is ignored for headless services', 'spec.SessionAffinity is ignored for headless services']],
  [{ externalIPs: ['fd00:0:0::1'] }, ['spec.externalIPs[0]: IPv6 address "fd00:0:0::1" should be in RFC 5952 canonical format ("fd00::1")', 'spec.externalIPs is deprecated and may no longer be implemented in some clusters']],
  [{ externalName: 'a', trafficDistribution: 'PreferClose' }, ['spec.externalName is ignored when spec.type is not "ExternalName"', 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"']],
])('warns of %j', (fields, expected) => expect(serviceKind.warnings(created(serviceKind, spec(fields)), undefined)).toEqual(expected));
