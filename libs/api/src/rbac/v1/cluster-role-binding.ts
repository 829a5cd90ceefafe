import type { ClusterRoleBinding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';
import { bindingColumns, checkBinding, checkSameRole, defaultBinding, rbacGroup } from './rules.ts';

const kinds = ['ClusterRole'];

export const clusterRoleBindingKind = defineKind<ClusterRoleBinding>({
  group: rbacGroup,
  version: 'v1',
  kind: 'ClusterRoleBinding',
  resource: 'clusterrolebindings',
  namespaced: false,
  nameRule: 'pathSegment',
  createOnUpdate: true,
  defaults: defaultBinding,
  validate: (binding) => findProblems((root) => checkBinding(binding, { root, kinds, namespaced: false })),
  validateUpdate: (binding, old) =>
    findProblems((root) => {
      checkBinding(binding, { root, kinds, namespaced: false });
      checkSameRole(binding, { old, root });
    }),
  columns: bindingColumns,
});
