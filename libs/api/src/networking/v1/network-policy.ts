import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, formatSelector, nameColumn, text } from '../../printing/columns.ts';
import { cidrMessage, isStrictSubset, parseCidr } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkPort, checkPortOrName } from '../../validation/fields.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';

function setDefaults({ spec }: NetworkPolicy): void {
  if (!spec) return;
  spec.podSelector ??= {};
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  if (spec.policyTypes?.length) return;
  spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

const protocols = ['TCP', 'UDP', 'SCTP'];

function checkPolicyPort({ port, endPort, protocol }: NetworkPolicyPort, at: FieldPath): void {
  if (protocol !== undefined && !protocols.includes(protocol)) at.child('protocol').notSupported(protocol, protocols);
  const end = at.child('endPort');
  if (port === undefined) {
    if (endPort !== undefined) end.invalid(endPort, 'may not be specified when `port` is not specified');
    return;
  }
  if (typeof port === 'string' && endPort !== undefined) end.invalid(endPort, 'may not be specified when `port` is non-numeric');
  checkPortOrName(port, at.child('port'));
  if (typeof port === 'string' || endPort === undefined) return;
  // Upstream shows the port here.
  if (endPort < port) end.invalid(port, 'must be greater than or equal to `port`');
  checkPort(endPort, end);
}

function checkBlock({ cidr, except = [] }: NonNullable<NetworkPolicyPeer['ipBlock']>, at: FieldPath): void {
  if (!cidr) return at.child('cidr').required();
  const outer = parseCidr(cidr);
  if (!outer) return at.child('cidr').invalid(cidr, cidrMessage);
  for (const [i, text] of except.entries()) {
    const inner = parseCidr(text);
    const path = at.child('except').at(i);
    if (!inner) path.invalid(text, cidrMessage);
    else if (!isStrictSubset(inner, outer)) path.invalid(text, 'must be a strict subset of `cidr`');
  }
}

function checkPeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, at: FieldPath): void {
  checkLabelSelector(podSelector, at.child('podSelector'));
  checkLabelSelector(namespaceSelector, at.child('namespaceSelector'));
  if (ipBlock) checkBlock(ipBlock, at.child('ipBlock'));
  if (!podSelector && !namespaceSelector && !ipBlock) at.required('must specify a peer');
  else if (ipBlock && (podSelector || namespaceSelector)) at.forbidden('may not specify both ipBlock and another peer');
}

function checkRules(rules: readonly { ports?: NetworkPolicyPort[]; peers?: NetworkPolicyPeer[] }[], { at, side }: { at: FieldPath; side: string }): void {
  for (const [i, rule] of rules.entries()) {
    for (const [p, port] of (rule.ports ?? []).entries()) checkPolicyPort(port, at.at(i).child('ports').at(p));
    for (const [p, peer] of (rule.peers ?? []).entries()) checkPeer(peer, at.at(i).child(side).at(p));
  }
}

function checkSpec({ spec = {} }: NetworkPolicy, at: FieldPath): void {
  checkLabelSelector(spec.podSelector, at.child('podSelector'));
  const ingress = (spec.ingress ?? []).map(({ ports, from }) => ({ ports, peers: from }));
  const egress = (spec.egress ?? []).map(({ ports, to }) => ({ ports, peers: to }));
  checkRules(ingress, { at: at.child('ingress'), side: 'from' });
  checkRules(egress, { at: at.child('egress'), side: 'to' });
  const types = spec.policyTypes ?? [];
  if (types.length > 2) return at.child('policyTypes').invalid(types, 'may not specify more than two policyTypes');
  for (const [i, type] of types.entries()) if (!['Ingress', 'Egress'].includes(type)) at.child('policyTypes').at(i).notSupported(type, ['Ingress', 'Egress']);
}

export const networkPolicyKind = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  resource: 'networkpolicies',
  namespaced: true,
  shortNames: ['netpol'],
  generation: 'spec',
  defaults: setDefaults,
  validate: (policy) => findProblems((root) => checkSpec(policy, root.child('spec'))),
  columns: [nameColumn, text('Pod-Selector', ({ spec }) => formatSelector(spec?.podSelector)), ageColumn],
});
