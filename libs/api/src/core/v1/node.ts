import type { FieldError } from '@orrery/errors';
import type { Node } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import { cidrProblems, parseCidr } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { labelValue, qualifiedName } from '../../validation/names.ts';
import { checkResourceQuantity } from './pod-template/resource-validation.ts';

const rolePrefix = 'node-role.kubernetes.io/';

function roles(node: Node): string {
  const found = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) found.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') found.add(value);
  }
  return found.size > 0 ? [...found].sort().join(',') : '<none>';
}

function state({ spec, status }: Node): string {
  const ready = (status?.conditions ?? []).find((condition) => condition.type === 'Ready');
  const word = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

const address = (node: Node, type: string): string => (node.status?.addresses ?? []).find((candidate) => candidate.type === type)?.address ?? '<none>';

/** Upstream reports taints below metadata. */
function checkTaints(node: Node, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, taint] of (node.spec?.taints ?? []).entries()) {
    const path = at.at(i);
    path.child('key').matches(taint.key, qualifiedName);
    const problems = labelValue(taint.value ?? '');
    if (problems.length > 0) path.child('value').invalid(taint.value, problems.join(';'));
    path.child('effect').requiredOneOf(taint.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
    const id = `${taint.key}:${taint.effect}`;
    if (seen.has(id)) path.duplicate(taint, 'taints must be unique by key and effect pair');
    seen.add(id);
  }
}

function checkAmounts({ status }: Node, at: FieldPath): void {
  for (const list of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(status?.[list] ?? {})) checkResourceQuantity(name, amount, at.child(list).child(name));
  }
}

function checkPodCidrs({ spec }: Node, { at, old }: { at: FieldPath; old: Node | undefined }): void {
  const cidrs = spec?.podCIDRs ?? [];
  for (const [i, cidr] of cidrs.entries()) for (const message of cidrProblems(cidr, old?.spec?.podCIDRs)) at.at(i).invalid(cidr, message);
  if (cidrs.length < 2) return;
  const families = new Set(cidrs.map((cidr) => parseCidr(cidr)?.family));
  if (families.size !== 2 || cidrs.length > 2) at.invalid(cidrs, 'may specify no more than one CIDR for each IP family');
  for (const [i, cidr] of cidrs.entries()) if (cidrs.indexOf(cidr) < i) at.at(i).duplicate(cidr);
}

function validate(node: Node): FieldError[] {
  return findProblems((root) => {
    checkTaints(node, root.child('metadata').child('taints'));
    checkAmounts(node, root.child('status'));
    checkPodCidrs(node, { at: root.child('spec').child('podCIDRs'), old: undefined });
  });
}

/** Also of an update to the status, as upstream. */
function validateUpdate(node: Node, old: Node): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkAmounts(node, root.child('status'));
    const seen = new Set<string>();
    for (const [i, { type, address: value }] of (node.status?.addresses ?? []).entries()) {
      if (seen.has(`${type}/${value}`)) root.child('status').child('addresses').at(i).duplicate({ type, address: value });
      seen.add(`${type}/${value}`);
    }
    const before = old.spec?.podCIDRs ?? [];
    const after = node.spec?.podCIDRs ?? [];
    const changes = before.length === after.length ? before.filter((cidr, i) => after[i] !== cidr).length : Math.min(before.length, 1);
    for (let i = 0; i < changes; i++) at.child('podCIDRs').forbidden('node updates may not change podCIDR except from "" to valid');
    if (before.length === 0) checkPodCidrs(node, { at: at.child('podCIDRs'), old });
    if (old.spec?.providerID && old.spec.providerID !== node.spec?.providerID) {
      at.child('providerID').forbidden('node updates may not change providerID except from "" to valid');
    }
    checkTaints(node, root.child('metadata').child('taints'));
    if ((node.spec?.externalID ?? '') !== (old.spec?.externalID ?? '')) at.child('externalID').forbidden('may not be updated');
  });
}

/** Configuration by the API server was taken out; the fields are kept where they are in use. */
function dropConfig(node: Node, old?: Node): void {
  if (!old?.spec?.configSource && node.spec) delete node.spec.configSource;
  if (!old?.status?.config && node.status) delete node.status.config;
}

function warnings({ spec }: Node): string[] {
  return [
    ...(spec?.configSource ? ['spec.configSource: the feature is removed'] : []),
    ...(spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
  ];
}

/** `podCIDR` is the older name of the first of `podCIDRs`; what no one set aside can be given to pods. */
function setDefaults({ spec, status }: Node): void {
  if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  if (spec?.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
  else if (spec?.podCIDRs?.[0] && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
}

export const nodeKind = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  resource: 'nodes',
  namespaced: false,
  shortNames: ['no'],
  storagePrefix: 'minions',
  hasStatus: true,
  // A kubelet registers its node together with its status.
  emptyStatus: 'keep',
  subresources: [{ name: 'proxy', kind: 'NodeProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] }],
  defaults: setDefaults,
  onCreate: (node) => dropConfig(node),
  onUpdate: dropConfig,
  onStatusUpdate: dropConfig,
  validate,
  validateUpdate,
  validateStatusUpdate: validateUpdate,
  warnings,
  selectableFields: ['spec.unschedulable'],
  selectable: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
  columns: [
    nameColumn,
    text('Status', state),
    text('Roles', roles),
    ageColumn,
    text('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wideText('Internal-IP', (node) => address(node, 'InternalIP')),
    wideText('External-IP', (node) => address(node, 'ExternalIP')),
    wideText('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wideText('Kernel-Version', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>'),
    wideText('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
});
