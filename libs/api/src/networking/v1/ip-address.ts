import type { IPAddress } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1123Subdomain, pathSegment } from '../../validation/names.ts';
import { canonicalIp } from './canonical.ts';

function checkAddress({ metadata, spec }: IPAddress, root: FieldPath): void {
  const name = metadata?.name ?? '';
  root.child('metadata').child('name').matches(name, canonicalIp);
  const parent = spec?.parentRef;
  const at = root.child('spec').child('parentRef');
  if (!parent) return at.required();
  if (parent.group) at.child('group').matches(parent.group, dns1123Subdomain);
  at.child('resource').requires(parent.resource, pathSegment);
  at.child('name').requires(parent.name, pathSegment);
  if (parent.namespace) at.child('namespace').matches(parent.namespace, pathSegment);
}

function parent({ spec }: IPAddress): string {
  const ref = spec?.parentRef;
  if (!ref) return '<none>';
  const resource = `${ref.resource}${ref.group ? `.${ref.group}` : ''}`.toLowerCase();
  return [resource, ...(ref.namespace ? [ref.namespace] : []), ref.name].join('/');
}

export const ipAddressKind = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  resource: 'ipaddresses',
  namespaced: false,
  shortNames: ['ip'],
  nameRule: 'pathSegment',
  validate: (object) => findProblems((root) => checkAddress(object, root)),
  validateUpdate: (object, old) => findProblems((root) => checkImmutable({ value: object.spec?.parentRef, old: old.spec?.parentRef }, root.child('spec').child('parentRef'))),
  selectableFields: ['spec.parentRef.group', 'spec.parentRef.resource', 'spec.parentRef.namespace', 'spec.parentRef.name'],
  selectable: ({ spec }) => ({
    'spec.parentRef.group': spec?.parentRef?.group ?? '',
    'spec.parentRef.resource': spec?.parentRef?.resource ?? '',
    'spec.parentRef.namespace': spec?.parentRef?.namespace ?? '',
    'spec.parentRef.name': spec?.parentRef?.name ?? '',
  }),
  columns: [nameColumn, text('ParentRef', parent)],
});
