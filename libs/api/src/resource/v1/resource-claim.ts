import type { ResourceClaim } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dropDeallocated, validateClaimStatus } from './claim-status.ts';
import { checkClaim, defaultClaim, defaultTolerations } from './claims.ts';

function state({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata?.deletionTimestamp) states.push('deleted');
  if (status?.allocation) states.push('allocated', ...((status.reservedFor ?? []).length > 0 ? ['reserved'] : []));
  else if (!metadata?.deletionTimestamp) states.push('pending');
  return states.join(',');
}

export const resourceClaimKind = defineKind<ResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  resource: 'resourceclaims',
  namespaced: true,
  hasStatus: true,
  defaults: ({ spec, status }) => {
    defaultClaim(spec);
    for (const { tolerations } of status?.allocation?.devices?.results ?? []) defaultTolerations(tolerations);
  },
  onStatusUpdate: dropDeallocated,
  validate: ({ spec }) => findProblems((root) => checkClaim(spec, root.child('spec'))),
  validateUpdate: (claim, old) => findProblems((root) => checkImmutable({ value: claim.spec, old: old.spec }, root.child('spec'))),
  validateStatusUpdate: validateClaimStatus,
  columns: [nameColumn, text('State', state), ageColumn],
});
