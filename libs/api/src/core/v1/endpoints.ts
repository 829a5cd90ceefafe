import type { EndpointAddress, Endpoints, EndpointPort, EndpointSubset } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { ipProblems, specialAddressMessages } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkPort } from '../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../validation/names.ts';

function checkAddress(address: EndpointAddress, { at, known }: { at: FieldPath; known: readonly string[] }): void {
  const problems = ipProblems(address.ip, known);
  for (const message of problems) at.child('ip').invalid(address.ip, message);
  if (address.hostname) at.child('hostname').matches(address.hostname, dns1123Label);
  if (address.nodeName !== undefined) at.child('nodeName').matches(address.nodeName, dns1123Subdomain);
  if (problems.length === 0) for (const message of specialAddressMessages(address.ip)) at.child('ip').invalid(address.ip, message);
}

function checkPortItem(port: EndpointPort, { at, nameRequired }: { at: FieldPath; nameRequired: boolean }): void {
  if (port.name) at.child('name').matches(port.name, dns1123Label);
  else if (nameRequired) at.child('name').required();
  checkPort(port.port, at.child('port'));
  at.child('protocol').requiredOneOf(port.protocol, ['SCTP', 'TCP', 'UDP']);
  if (port.appProtocol !== undefined) at.child('appProtocol').matches(port.appProtocol, qualifiedName);
}

function checkSubset(subset: EndpointSubset, { at, known }: { at: FieldPath; known: readonly string[] }): void {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  if (addresses.length === 0 && notReadyAddresses.length === 0) at.required('must specify `addresses` or `notReadyAddresses`');
  for (const [i, address] of addresses.entries()) checkAddress(address, { at: at.child('addresses').at(i), known });
  for (const [i, address] of notReadyAddresses.entries()) checkAddress(address, { at: at.child('notReadyAddresses').at(i), known });
  for (const [i, port] of ports.entries()) checkPortItem(port, { at: at.child('ports').at(i), nameRequired: ports.length > 1 });
}

const shown = 3;

function addresses({ subsets = [] }: Endpoints): string {
  if (subsets.length === 0) return '<none>';
  const all = subsets.flatMap(({ addresses: ready = [], ports = [] }) => {
    if (ports.length === 0) return ready.map(({ ip }) => ip);
    return ports.flatMap(({ port }) => ready.map(({ ip = '' }) => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`));
  });
  const list = all.slice(0, shown).join(',');
  return all.length > shown ? `${list} + ${all.length - shown} more...` : list;
}

/** Addresses that were there before may be written as they were. */
function check(endpoints: Endpoints, old?: Endpoints): ReturnType<typeof findProblems> {
  const known = (old?.subsets ?? []).flatMap(({ addresses: ready = [], notReadyAddresses = [] }) => [...ready, ...notReadyAddresses].map(({ ip }) => ip));
  return findProblems((root) => {
    for (const [i, subset] of (endpoints.subsets ?? []).entries()) checkSubset(subset, { at: root.child('subsets').at(i), known });
  });
}

export const endpointsKind = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  resource: 'endpoints',
  namespaced: true,
  shortNames: ['ep'],
  storagePrefix: 'services/endpoints',
  createOnUpdate: true,
  listKind: 'EndpointsList',
  defaults: ({ subsets }) => {
    for (const subset of subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
  },
  validate: (endpoints) => check(endpoints),
  validateUpdate: check,
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  columns: [nameColumn, text('Endpoints', addresses), ageColumn],
});
