import type { PolicyRule, RoleRef, Subject } from '../../../gen/types.ts';
import { semanticEqual } from '../../equality.ts';
import type { Column } from '../../kind.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { dns1123Subdomain, pathSegment } from '../../validation/names.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';

export function checkRules(rules: readonly PolicyRule[] | undefined, { at, namespaced }: { at: FieldPath; namespaced: boolean }): void {
  for (const [i, rule] of (rules ?? []).entries()) checkRule(rule, { at: at.at(i), namespaced });
}

function checkRule(rule: PolicyRule, { at, namespaced }: { at: FieldPath; namespaced: boolean }): void {
  const { verbs = [], nonResourceURLs: urls = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  if (verbs.length === 0) at.child('verbs').required('verbs must contain at least one value');
  if (urls.length > 0) {
    if (namespaced) at.child('nonResourceURLs').invalid(urls, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0) {
      at.child('nonResourceURLs').invalid(urls, 'rules cannot apply to both regular resources and non-resource URLs');
    }
    return;
  }
  if (apiGroups.length === 0) at.child('apiGroups').required('resource rules must supply at least one api group');
  if (resources.length === 0) at.child('resources').required('resource rules must supply at least one resource');
}

interface Bound {
  metadata?: { name?: string };
  roleRef?: RoleRef;
  subjects?: Subject[];
}

export function defaultBinding(binding: Bound): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= rbacGroup;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup;
  }
}

function checkSubject(subject: Subject, { at, namespaced }: { at: FieldPath; namespaced: boolean }): void {
  if (!subject.name) at.child('name').required();
  switch (subject.kind) {
    case 'ServiceAccount':
      if (subject.name) at.child('name').matches(subject.name, dns1123Subdomain);
      if (subject.apiGroup) at.child('apiGroup').notSupported(subject.apiGroup, ['']);
      if (!namespaced && !subject.namespace) at.child('namespace').required();
      break;
    case 'User':
    case 'Group':
      if (subject.apiGroup !== rbacGroup) at.child('apiGroup').notSupported(subject.apiGroup ?? '', [rbacGroup]);
      break;
    default:
      at.child('kind').notSupported(subject.kind, ['ServiceAccount', 'User', 'Group']);
  }
}

export function checkBinding(binding: Bound, { root, kinds, namespaced }: { root: FieldPath; kinds: readonly string[]; namespaced: boolean }): void {
  const { apiGroup, kind, name } = binding.roleRef ?? { kind: '', name: '' };
  const at = root.child('roleRef');
  if (apiGroup !== rbacGroup) at.child('apiGroup').notSupported(apiGroup ?? '', [rbacGroup]);
  if (!kinds.includes(kind)) at.child('kind').notSupported(kind, kinds);
  at.child('name').requires(name, pathSegment);
  for (const [i, subject] of (binding.subjects ?? []).entries()) checkSubject(subject, { at: root.child('subjects').at(i), namespaced });
}

/** What a binding grants cannot change: delete it and make another. */
export function checkSameRole(binding: Bound, { old, root }: { old: Bound; root: FieldPath }): void {
  if (!semanticEqual(binding.roleRef, old.roleRef)) root.child('roleRef').invalid(binding.roleRef, 'cannot change roleRef');
}

const subjects = (kind: string, name: (subject: Subject) => string) => (binding: Bound): string =>
  (binding.subjects ?? []).filter((subject) => subject.kind === kind).map(name).join(', ');

export const bindingColumns: readonly Column<Bound>[] = [
  nameColumn,
  text('Role', ({ roleRef }) => `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}`),
  ageColumn,
  wideText('Users', subjects('User', ({ name }) => name)),
  wideText('Groups', subjects('Group', ({ name }) => name)),
  wideText('ServiceAccounts', subjects('ServiceAccount', ({ name, namespace }) => `${namespace ?? ''}/${name}`)),
];
