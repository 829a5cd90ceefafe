import { expect, it } from 'vitest';
import { endpointSliceKind } from '../../discovery/v1/endpoint-slice.ts';
import type { KindDescriptor } from '../../kind.ts';
import { created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { ingressClassKind } from './ingress-class.ts';
import { ingressKind } from './ingress.ts';
import { ipAddressKind } from './ip-address.ts';
import { networkPolicyKind } from './network-policy.ts';
import { serviceCidrKind } from './service-cidr.ts';

const backend = { service: { name: 'web', port: { number: 80 } } };
const path = (more: object): object => ({ spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...more }] } }] } });
const ports = (port: object): object => ({ spec: { ingress: [{ ports: [port] }] } });
const parameters = (more: object): object => ({ spec: { controller: 'a.io/b', parameters: { kind: 'K', name: 'n', ...more } } });
const slice = (more: object): object => ({ addressType: 'IPv4', endpoints: [{ addresses: ['1.2.3.4'], ...more }] });
const atPath = 'spec.rules[0].http.paths[0]';
const atPort = 'spec.ingress[0].ports[0]';
const atParameters = 'spec.parameters';

it.each<[string, KindDescriptor, object, string[]]>([
  ['a wildcard host', ingressKind, { spec: { rules: [{ host: '*.example.com' }] } }, []],
  ['two backends', ingressKind, path({ backend: { ...backend, resource: { kind: 'K', name: 'n' } } }), [`${atPath}.backend: Invalid value: "": cannot set both resource and service backends`]],
  ['no backend', ingressKind, path({ backend: {} }), [`${atPath}.backend: Invalid value: "": resource or service backend is required`]],
  ['half a resource', ingressKind, path({ backend: { resource: { kind: 'K' } } }), [`${atPath}.backend.resource.name: Required value: name is required`]],
  ['port by name and number', ingressKind, path({ backend: { service: { name: 'web', port: { name: 'a', number: 1 } } } }), [`${atPath}.backend: Invalid value: "": cannot set both port name & port number`]],
  ['a path that climbs', ingressKind, path({ path: '/a/../b' }), [`${atPath}.path: Invalid value: "/a/../b": must not contain '/../'`]],
  ['a path that ends upwards', ingressKind, path({ path: '/a/..' }), [`${atPath}.path: Invalid value: "/a/..": cannot end with '/..'`]],
  ['a strange path type', ingressKind, path({ pathType: 'Regex' }), [`${atPath}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"`]],
  ['a bad secret', ingressKind, { spec: { defaultBackend: backend, tls: [{ secretName: 'A' }] } }, [expect.stringMatching(/^spec\.tls\[0\]\.secretName: Invalid value: "A": a lowercase RFC 1123 subdomain/) as string]],
  ['two classes', ingressKind, { metadata: { name: 'x', annotations: { 'kubernetes.io/ingress.class': 'a' } }, spec: { defaultBackend: backend, ingressClassName: 'b' } }, [
    'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
  ]],
  ['a strange protocol', networkPolicyKind, ports({ protocol: 'ICMP' }), [`${atPort}.protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"`]],
  ['an end without a port', networkPolicyKind, ports({ endPort: 5 }), [`${atPort}.endPort: Invalid value: 5: may not be specified when \`port\` is not specified`]],
  ['an end of a named port', networkPolicyKind, ports({ port: 'http', endPort: 5 }), [`${atPort}.endPort: Invalid value: 5: may not be specified when \`port\` is non-numeric`]],
  ['an end before the port', networkPolicyKind, ports({ port: 8, endPort: 5 }), [`${atPort}.endPort: Invalid value: 8: must be greater than or equal to \`port\``]],
  ['a block and more', networkPolicyKind, { spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }] } }, ['spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer']],
  ['three types', networkPolicyKind, { spec: { policyTypes: ['Ingress', 'Egress', 'Ingress'] } }, ['spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes']],
  ['parameters of nowhere', ingressClassKind, parameters({ scope: 'Namespace' }), [`${atParameters}.namespace: Required value: \`parameters.scope\` is set to 'Namespace'`]],
  ['parameters of a namespace', ingressClassKind, parameters({ namespace: 'n' }), [`${atParameters}.namespace: Forbidden: \`parameters.scope\` is set to 'Cluster'`]],
  ['parameters anywhere', ingressClassKind, parameters({ scope: 'World' }), [`${atParameters}.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"`]],
  ['an address spelled otherwise', ipAddressKind, { metadata: { name: '2001:DB8::1' }, spec: { parentRef: { resource: 'services', name: 's' } } }, ['metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")']],
  ['an address of nobody', ipAddressKind, { metadata: { name: '1.2.3.4' }, spec: {} }, ['spec.parentRef: Required value']],
  ['no CIDRs', serviceCidrKind, { spec: {} }, ['spec.cidrs: Required value: at least one CIDR required']],
  ['three CIDRs', serviceCidrKind, { spec: { cidrs: ['10.0.0.0/8', 'fd00::/64', '11.0.0.0/8'] } }, ['spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/8","fd00::/64","11.0.0.0/8"]}: may only hold up to 2 values']],
  ['two CIDRs of one family', serviceCidrKind, { spec: { cidrs: ['10.0.0.0/8', '11.0.0.0/8'] } }, [
    'spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/8","11.0.0.0/8"]}: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
  ]],
  ['a CIDR with a host', serviceCidrKind, { spec: { cidrs: ['10.0.0.1/8'] } }, ['spec.cidrs[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length']],
  ['a CIDR spelled otherwise', serviceCidrKind, { spec: { cidrs: ['fd00:0::/64'] } }, ['spec.cidrs[0]: Invalid value: "fd00:0::/64": must be in canonical form ("fd00::/64")']],
  ['hints', endpointSliceKind, slice({ hints: { forZones: [{ name: 'a' }], forNodes: [{ name: 'n' }] } }), []],
  ['a hint twice', endpointSliceKind, slice({ hints: { forNodes: [{ name: 'n' }, { name: 'n' }] } }), ['endpoints[0].hints.forNodes[1].name: Duplicate value: "n"']],
  ['a loopback endpoint', endpointSliceKind, { addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'] }] }, ['endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)']],
])('%s', (_, kind, object, expected) => expect(problems(kind, object)).toEqual(expected));

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['the controller of a class', ingressClassKind, { spec: { controller: 'a.io/b' } }, { spec: { controller: 'a.io/c' } }, ['spec.controller: Invalid value: "a.io/c": field is immutable']],
  ['a class that is annotated later', ingressKind, { spec: { defaultBackend: backend, ingressClassName: 'b' } }, { metadata: { name: 'x', annotations: { 'kubernetes.io/ingress.class': 'a' } }, spec: { defaultBackend: backend, ingressClassName: 'b' } }, []],
  ['a bad secret that is there', ingressKind, { spec: { defaultBackend: backend, tls: [{ secretName: 'A' }] } }, { spec: { defaultBackend: backend, tls: [{ secretName: 'B' }] } }, []],
  ['a second family', serviceCidrKind, { spec: { cidrs: ['10.0.0.0/8'] } }, { spec: { cidrs: ['10.0.0.0/8', 'fd00::/64'] } }, []],
  ['another range', serviceCidrKind, { spec: { cidrs: ['10.0.0.0/8'] } }, { spec: { cidrs: ['11.0.0.0/8'] } }, ['spec.cidrs[0]: Invalid value: "11.0.0.0/8": field is immutable']],
  ['a family less', serviceCidrKind, { spec: { cidrs: ['10.0.0.0/8', 'fd00::/64'] } }, { spec: { cidrs: ['10.0.0.0/8'] } }, ['spec.cidrs: Invalid value: ["10.0.0.0/8"]: field is immutable']],
])('update: %s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

it('names of load balancers are no addresses', () => {
  const old = created(ingressKind, { spec: { defaultBackend: backend } });
  const status = { loadBalancer: { ingress: [{ ip: 'x', hostname: '1.2.3.4' }] } };
  expect(ingressKind.validateStatusUpdate({ ...made(ingressKind, old), status }, old).map(({ field }) => field)).toEqual(['status.loadBalancer.ingress[0].ip', 'status.loadBalancer.ingress[0].hostname']);
});
