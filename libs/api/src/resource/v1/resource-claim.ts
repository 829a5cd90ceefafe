import type { ResourceClaim } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const resourceClaimKind = defineKind<ResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  resource: 'resourceclaims',
  namespaced: true,
  hasStatus: true,
});
