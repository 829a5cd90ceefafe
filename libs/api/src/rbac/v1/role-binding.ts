import type { RoleBinding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const roleBindingKind = defineKind<RoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  resource: 'rolebindings',
  namespaced: true,
});
