import type { ClusterRole } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const clusterRoleKind = defineKind<ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  resource: 'clusterroles',
  namespaced: false,
});
