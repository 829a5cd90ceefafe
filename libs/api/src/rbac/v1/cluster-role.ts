import type { ClusterRole } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { fallbackColumns } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { checkRules, rbacGroup } from './rules.ts';

function checkRole({ rules, aggregationRule }: ClusterRole, root: FieldPath): void {
  checkRules(rules, { at: root.child('rules'), namespaced: false });
  if (!aggregationRule) return;
  const at = root.child('aggregationRule').child('clusterRoleSelectors');
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) at.required('at least one clusterRoleSelector required if aggregationRule is non-nil');
  for (const [i, selector] of selectors.entries()) checkLabelSelector(selector, at.at(i));
}

export const clusterRoleKind = defineKind<ClusterRole>({
  group: rbacGroup,
  version: 'v1',
  kind: 'ClusterRole',
  resource: 'clusterroles',
  namespaced: false,
  nameRule: 'pathSegment',
  createOnUpdate: true,
  validate: (role) => findProblems((root) => checkRole(role, root)),
  columns: fallbackColumns,
});
