import type { Role } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const roleKind = defineKind<Role>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  resource: 'roles',
  namespaced: true,
});
