import { clusterTrustBundleKind } from './certificates/v1beta1/cluster-trust-bundle.ts';
import { leaseCandidateKind } from './coordination/v1beta1/lease-candidate.ts';
import { deprecatedSince, earlierVersion } from './earlier-version.ts';
import type { KindDescriptor } from './kind.ts';
import { ipAddressKind } from './networking/v1/ip-address.ts';
import { serviceCidrKind } from './networking/v1/service-cidr.ts';
import { deviceClassKind } from './resource/v1/device-class.ts';
import { resourceClaimTemplateKind } from './resource/v1/resource-claim-template.ts';
import { resourceClaimKind } from './resource/v1/resource-claim.ts';
import { resourceSliceKind } from './resource/v1/resource-slice.ts';
import { resourceClaimTemplateV1beta1Kind, resourceClaimV1beta1Kind, resourceSliceV1beta1Kind } from './resource/v1beta1/kinds.ts';
import { deviceTaintRuleKind } from './resource/v1beta2/device-taint-rule.ts';
import { volumeAttributesClassKind } from './storage/v1/volume-attributes-class.ts';

/** Kinds of resource.k8s.io whose v1beta2 has the same fields. */
const unchanged: readonly KindDescriptor[] = [deviceClassKind, resourceClaimKind, resourceClaimTemplateKind, resourceSliceKind];

/** Versions before the one that is stored, whose objects have the same fields or are converted. Off unless they are turned on. */
export const earlierKinds: readonly KindDescriptor[] = [
  earlierVersion(clusterTrustBundleKind, 'v1alpha1'),
  deprecatedSince(earlierVersion(leaseCandidateKind, 'v1alpha2'), 35),
  deprecatedSince(earlierVersion(ipAddressKind, 'v1beta1'), 34),
  deprecatedSince(earlierVersion(serviceCidrKind, 'v1beta1'), 34),
  ...unchanged.map((kind) => deprecatedSince(earlierVersion(kind, 'v1beta2'), 36)),
  ...[earlierVersion(deviceClassKind, 'v1beta1') as KindDescriptor, resourceClaimV1beta1Kind, resourceClaimTemplateV1beta1Kind, resourceSliceV1beta1Kind].map((kind) => deprecatedSince(kind, 35)),
  deprecatedSince(earlierVersion(deviceTaintRuleKind, 'v1alpha3'), 36),
  deprecatedSince(earlierVersion(volumeAttributesClassKind, 'v1beta1'), 34),
];
