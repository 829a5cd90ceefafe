import { expect, it } from 'vitest';
import { endpointSliceKind } from '../../discovery/v1/endpoint-slice.ts';
import type { KindDescriptor } from '../../kind.ts';
import { cells, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { ingressClassKind } from './ingress-class.ts';
import { ingressKind } from './ingress.ts';
import { ipAddressKind } from './ip-address.ts';
import { networkPolicyKind } from './network-policy.ts';
import { serviceCidrKind } from './service-cidr.ts';

const backend = { service: { name: 'web', port: { number: 80 } } };
const rule = (path: object): object => ({ spec: { rules: [{ host: 'a.example', http: { paths: [path] } }] } });

it('fills in policies, classes and slices', () => {
  expect(made(networkPolicyKind, { spec: { egress: [{ ports: [{ port: 1 }] }] } }).spec).toMatchObject({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], egress: [{ ports: [{ protocol: 'TCP' }] }] });
  expect(made(ingressClassKind, { spec: { parameters: { kind: 'K', name: 'n' } } }).spec?.parameters?.scope).toBe('Cluster');
  expect(made(endpointSliceKind, { ports: [{ port: 1 }] }).ports).toEqual([{ port: 1, name: '', protocol: 'TCP' }]);
  expect(created(endpointSliceKind, {}).metadata?.generation).toBe(1);
});

it.each<[string, KindDescriptor, object, string[]]>([
  ['an ingress', ingressKind, rule({ path: '/', pathType: 'Prefix', backend }), []],
  ['an ingress to nowhere', ingressKind, { spec: {} }, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
  ['no path type', ingressKind, rule({ path: '/', backend }), ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified']],
  ['a relative path', ingressKind, rule({ path: 'a', pathType: 'Exact', backend }), ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path']],
  ['no port', ingressKind, rule({ path: '/', pathType: 'Exact', backend: { service: { name: 'web' } } }), ['spec.rules[0].http.paths[0].backend: Required value: port name or number is required']],
  ['an address as host', ingressKind, { spec: { rules: [{ host: '1.2.3.4' }] } }, ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address']],
  ['a class', ingressClassKind, { spec: { controller: 'nope' } }, ['spec.controller: Invalid value: "nope": must be a domain-prefixed path (such as "acme.io/foo")']],
  ['a policy', networkPolicyKind, { spec: { ingress: [{ from: [{}] }] } }, ['spec.ingress[0].from[0]: Required value: must specify a peer']],
  ['a block', networkPolicyKind, { spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/8'] } }] }] } }, ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/8": must be a strict subset of `cidr`']],
  ['a slice', endpointSliceKind, { addressType: 'IPv4', endpoints: [{ addresses: [] }] }, ['endpoints[0].addresses: Required value: must contain at least 1 address']],
  ['an odd slice', endpointSliceKind, { addressType: 'IPv5' }, ['addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"']],
  ['a CIDR', serviceCidrKind, { spec: { cidrs: ['10.96.0.0'] } }, ['spec.cidrs[0]: Invalid value: "10.96.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
  ['an address', ipAddressKind, { metadata: { name: 'x' }, spec: { parentRef: { resource: 'services', name: 's' } } }, ['metadata.name: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
])('%s', (_, kind, object, expected) => expect(problems(kind, object)).toEqual(expected));

it('keeps the address type of a slice', () => {
  expect(updateProblems(endpointSliceKind, { old: { addressType: 'IPv4' }, next: { addressType: 'IPv6' } })).toEqual(['addressType: Invalid value: "IPv6": field is immutable']);
});

it.each<[string, KindDescriptor, object, unknown[]]>([
  ['an ingress', ingressKind, { spec: { ingressClassName: 'nginx', tls: [{}], rules: [{ host: 'a' }, { host: 'b' }, { host: 'c' }, { host: 'd' }] }, status: { loadBalancer: { ingress: [{ ip: '1.1.1.1' }] } } }, ['nginx', 'a,b,c + 1 more...', '1.1.1.1', '80, 443', '10m']],
  ['a bare ingress', ingressKind, { spec: { defaultBackend: backend } }, ['<none>', '*', '', '80', '10m']],
  ['a class', ingressClassKind, { spec: { controller: 'a.io/b', parameters: { apiGroup: 'g', kind: 'K', name: 'n' } } }, ['a.io/b', 'K.g/n', '10m']],
  ['a policy', networkPolicyKind, { spec: { podSelector: { matchLabels: { a: '1' } } } }, ['a=1', '10m']],
  ['a slice', endpointSliceKind, { addressType: 'IPv4', ports: [{ port: 80 }, {}], endpoints: [{ addresses: ['1.1.1.1'] }, { addresses: ['1.1.1.2'] }] }, ['IPv4', '80,*', '1.1.1.1,1.1.1.2', '10m']],
  ['an empty slice', endpointSliceKind, { addressType: 'IPv4' }, ['IPv4', '<unset>', '<unset>', '10m']],
  ['a CIDR', serviceCidrKind, { spec: { cidrs: ['10.96.0.0/16'] } }, ['10.96.0.0/16', '10m']],
  ['an address', ipAddressKind, { spec: { parentRef: { resource: 'services', namespace: 'n', name: 's' } } }, ['services/n/s']],
])('columns of %s', (_, kind, object, expected) => expect(cells(kind, object)).toEqual(expected));
