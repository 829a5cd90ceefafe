import { ResourceClaims } from '@orrery/api';
import type { ResourceClaim } from '@orrery/api/types';
import type { ControllerContext } from '@orrery/controller';
import type { Metrics } from '@orrery/runtime';
import { podClaimAnnotation } from './plan.ts';

export const hasAdminAccess = ({ spec }: ResourceClaim): boolean => spec?.devices?.requests?.some(({ exactly }) => exactly?.adminAccess) ?? false;

/** `status` is success or failure. */
export const claimCreations = (metrics: Metrics) => metrics.counter('dynamic_resource_allocation_resourceclaim_creates_total', 'Number of ResourceClaims creation requests, categorized by creation status and admin access');

/** Where a claim comes from, in upstream's words. */
function sourceOf({ metadata }: ResourceClaim): string {
  if (metadata?.annotations?.[podClaimAnnotation]) return 'resource_claim_template';
  return metadata?.annotations?.['resource.kubernetes.io/extended-resource-claim'] ? 'extended_resource' : '';
}

/** Upstream's count of claims, read when scraped. */
export function tellClaims({ env, store }: Pick<ControllerContext, 'env' | 'store'>): void {
  const help = "Number of ResourceClaims, categorized by allocation status, admin access, and source. Source can be 'resource_claim_template' (created from a template), 'extended_resource' (extended resources), or empty (manually created by a user).";
  env.metrics.collect('dynamic_resource_allocation_resource_claims', { type: 'gauge', help }, function* () {
    const same = Map.groupBy(store(ResourceClaims).list(), (claim) => `${claim.status?.allocation !== undefined} ${hasAdminAccess(claim)} ${sourceOf(claim)}`);
    for (const [key, claims] of same) {
      const [allocated = '', admin = '', source = ''] = key.split(' ');
      yield { labels: { allocated, admin_access: admin, source }, value: claims.length };
    }
  });
}

/** Of pods that had to go because of a device's taint. */
export const evictionMetrics = (metrics: Metrics) => ({
  deletions: metrics.counter('device_taint_eviction_controller_pod_deletions_total', 'Total number of Pods deleted by DeviceTaintEvictionController since its start.'),
  seconds: metrics.histogram(
    'device_taint_eviction_controller_pod_deletion_duration_seconds',
    'Latency, in seconds, between the time when a device taint effect has been activated and a Pod\'s deletion via DeviceTaintEvictionController.',
    [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
  ),
});
