import type { RoleBinding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';
import { bindingColumns, checkBinding, checkSameRole, defaultBinding, rbacGroup } from './rules.ts';

const kinds = ['Role', 'ClusterRole'];

export const roleBindingKind = defineKind<RoleBinding>({
  group: rbacGroup,
  version: 'v1',
  kind: 'RoleBinding',
  resource: 'rolebindings',
  namespaced: true,
  nameRule: 'pathSegment',
  createOnUpdate: true,
  defaults: defaultBinding,
  validate: (binding) => findProblems((root) => checkBinding(binding, { root, kinds, namespaced: true })),
  validateUpdate: (binding, old) =>
    findProblems((root) => {
      checkBinding(binding, { root, kinds, namespaced: true });
      checkSameRole(binding, { old, root });
    }),
  columns: bindingColumns,
});
