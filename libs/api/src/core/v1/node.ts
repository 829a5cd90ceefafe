import type { FieldError } from '@orrery/errors';
import type { Node } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import { cidrMessage, parseCidr } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { labelValue, qualifiedName } from '../../validation/names.ts';

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

function checkTaints(node: Node, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, taint] of (node.spec?.taints ?? []).entries()) {
    const path = at.at(i);
    path.child('key').matches(taint.key, qualifiedName);
    const problems = labelValue(taint.value ?? '');
    if (problems.length > 0) path.child('value').invalid(taint.value, problems.join(';'));
    path.child('effect').requiredOneOf(taint.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
    const id = `${taint.key}:${taint.effect}`;
    if (seen.has(id)) path.duplicate(taint);
    seen.add(id);
  }
}

function checkNode(node: Node, root: FieldPath): void {
  const at = root.child('spec');
  checkTaints(node, at.child('taints'));
  const cidrs = node.spec?.podCIDRs ?? [];
  for (const [i, cidr] of cidrs.entries()) if (!parseCidr(cidr)) at.child('podCIDRs').at(i).invalid(cidr, cidrMessage);
  if (cidrs.length > 2) at.child('podCIDRs').invalid(cidrs, 'may specify no more than one CIDR for each IP family');
}

function validateUpdate(node: Node, old: Node): FieldError[] {
  return findProblems((root) => {
    checkNode(node, root);
    const at = root.child('spec');
    const before = old.spec?.podCIDRs ?? [];
    if (before.length > 0 && !semanticEqual(before, node.spec?.podCIDRs)) {
      at.child('podCIDRs').forbidden('node updates may not change podCIDR except from "" to valid');
    }
    if (old.spec?.providerID && old.spec.providerID !== node.spec?.providerID) {
      at.child('providerID').forbidden('node updates may not change providerID except from "" to valid');
    }
  });
}

function validateStatus({ status }: Node): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status').child('addresses');
    const seen = new Set<string>();
    for (const [i, item] of (status?.addresses ?? []).entries()) {
      const id = `${item.type}/${item.address}`;
      if (seen.has(id)) at.at(i).duplicate(item);
      seen.add(id);
    }
  });
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
  validate: (node) => findProblems((root) => checkNode(node, root)),
  validateUpdate,
  validateStatusUpdate: validateStatus,
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
