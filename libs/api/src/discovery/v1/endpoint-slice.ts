import type { FieldError } from '@orrery/errors';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { ipFamily, ipMessage, specialAddressMessages } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkPort } from '../../validation/fields.ts';
import { type StringRule, dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from '../../validation/names.ts';

const maxEndpoints = 1000;
const maxAddresses = 100;
const maxHints = 8;
const maxPorts = 20_000;

function checkEndpointAddress(address: string, { at, type }: { at: FieldPath; type: string | undefined }): void {
  if (type === 'FQDN') return at.matches(address, dns1123Subdomain);
  if (!ipFamily(address)) return at.invalid(address, ipMessage);
  const family = type === 'IPv4' ? 4 : 6;
  if (ipFamily(address) !== family) at.invalid(address, `must be an ${type} address`);
  for (const message of specialAddressMessages(address)) at.invalid(address, message);
}

function checkEndpoint(endpoint: Endpoint, { at, type }: { at: FieldPath; type: string | undefined }): void {
  const addresses = endpoint.addresses ?? [];
  if (addresses.length === 0) at.child('addresses').required('must contain at least 1 address');
  else if (addresses.length > maxAddresses) at.child('addresses').tooMany(addresses.length, maxAddresses);
  for (const [i, address] of addresses.entries()) checkEndpointAddress(address, { at: at.child('addresses').at(i), type });
  if (endpoint.nodeName !== undefined) at.child('nodeName').matches(endpoint.nodeName, dns1123Subdomain);
  if (endpoint.zone !== undefined) at.child('zone').matches(endpoint.zone, labelValue);
  if (endpoint.hostname !== undefined) at.child('hostname').matches(endpoint.hostname, dns1123Label);
  checkHints(endpoint.hints?.forZones, { at: at.child('hints').child('forZones'), rule: labelValue });
  checkHints(endpoint.hints?.forNodes, { at: at.child('hints').child('forNodes'), rule: dns1123Subdomain });
}

/** Zones or nodes that should use the endpoint, each once. */
function checkHints(hints: readonly { name: string }[] | undefined, { at, rule }: { at: FieldPath; rule: StringRule }): void {
  const list = hints ?? [];
  if (list.length > maxHints) return at.tooMany(list.length, maxHints);
  const seen = new Set<string>();
  for (const [i, { name }] of list.entries()) {
    const item = at.at(i).child('name');
    if (seen.has(name)) item.duplicate(name);
    seen.add(name);
    item.matches(name, rule);
  }
}

function checkPorts(ports: readonly DiscoveryV1EndpointPort[], at: FieldPath): void {
  if (ports.length > maxPorts) return at.tooMany(ports.length, maxPorts);
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const name = port.name ?? '';
    if (name !== '') at.at(i).child('name').matches(name, dns1123Label);
    if (names.has(name)) at.at(i).child('name').duplicate(name);
    names.add(name);
    at.at(i).child('protocol').requiredOneOf(port.protocol, ['SCTP', 'TCP', 'UDP']);
    if (port.port !== undefined) checkPort(port.port, at.at(i).child('port'));
    if (port.appProtocol) at.at(i).child('appProtocol').matches(port.appProtocol, qualifiedName);
  }
}

function checkSlice(slice: EndpointSlice, root: FieldPath): void {
  root.child('addressType').requiredOneOf(slice.addressType, ['FQDN', 'IPv4', 'IPv6']);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > maxEndpoints) root.child('endpoints').tooMany(endpoints.length, maxEndpoints);
  else for (const [i, endpoint] of endpoints.entries()) checkEndpoint(endpoint, { at: root.child('endpoints').at(i), type: slice.addressType });
  checkPorts(slice.ports ?? [], root.child('ports'));
}

function validateUpdate(slice: EndpointSlice, old: EndpointSlice): FieldError[] {
  return findProblems((root) => {
    checkSlice(slice, root);
    checkImmutable({ value: slice.addressType, old: old.addressType }, root.child('addressType'));
  });
}

const shown = 3;

function some(items: readonly string[]): string {
  if (items.length === 0) return '<unset>';
  const list = items.slice(0, shown).join(',');
  return items.length > shown ? `${list} + ${items.length - shown} more...` : list;
}

export const endpointSliceKind = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  resource: 'endpointslices',
  namespaced: true,
  generation: ({ metadata, addressType, endpoints, ports }) => [metadata?.labels, metadata?.annotations, addressType, endpoints, ports],
  defaults: (slice) => {
    slice.endpoints ??= [];
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  validate: (slice) => findProblems((root) => checkSlice(slice, root)),
  validateUpdate,
  columns: [
    nameColumn,
    text('AddressType', ({ addressType }) => addressType ?? ''),
    text('Ports', ({ ports }) => some((ports ?? []).map(({ port, name }) => String(port ?? (name || '*'))))),
    text('Endpoints', ({ endpoints }) => some((endpoints ?? []).flatMap(({ addresses }) => addresses ?? []))),
    ageColumn,
  ],
});
