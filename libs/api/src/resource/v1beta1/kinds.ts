import type {
  ResourceV1beta1ResourceClaim, ResourceV1beta1ResourceClaimSpec, ResourceV1beta1ResourceClaimTemplate, ResourceV1beta1ResourceSlice,
} from '../../../gen/types.ts';
import { convertedVersion } from '../../earlier-version.ts';
import type { KindDescriptor } from '../../kind.ts';
import { defaultTolerations } from '../v1/claims.ts';
import { resourceClaimTemplateKind } from '../v1/resource-claim-template.ts';
import { resourceClaimKind } from '../v1/resource-claim.ts';
import { resourceSliceKind } from '../v1/resource-slice.ts';
import { claimFromV1, claimToV1, sliceFromV1, sliceToV1, templateFromV1, templateToV1 } from './conversion.ts';

/** A request without alternatives is an exact one, even when it says nothing. */
function defaultSpec(spec: ResourceV1beta1ResourceClaimSpec | undefined): void {
  for (const request of spec?.devices?.requests ?? []) {
    const alternatives = request.firstAvailable ?? [];
    for (const wanted of alternatives.length > 0 ? alternatives : [request]) {
      wanted.allocationMode ||= 'ExactCount';
      if (wanted.allocationMode === 'ExactCount') wanted.count ||= 1;
    }
    for (const wanted of [request, ...alternatives]) defaultTolerations(wanted.tolerations);
  }
}

export const resourceClaimV1beta1Kind: KindDescriptor<ResourceV1beta1ResourceClaim> = {
  ...convertedVersion(resourceClaimKind, { version: 'v1beta1', toStorage: claimToV1, fromStorage: claimFromV1 }),
  defaults: ({ spec, status }) => {
    defaultSpec(spec);
    for (const { tolerations } of status?.allocation?.devices?.results ?? []) defaultTolerations(tolerations);
  },
};

export const resourceClaimTemplateV1beta1Kind: KindDescriptor<ResourceV1beta1ResourceClaimTemplate> = {
  ...convertedVersion(resourceClaimTemplateKind, { version: 'v1beta1', toStorage: templateToV1, fromStorage: templateFromV1 }),
  defaults: ({ spec }) => defaultSpec(spec?.spec),
};

export const resourceSliceV1beta1Kind: KindDescriptor<ResourceV1beta1ResourceSlice> = convertedVersion(resourceSliceKind, {
  version: 'v1beta1',
  toStorage: sliceToV1,
  fromStorage: sliceFromV1,
});
