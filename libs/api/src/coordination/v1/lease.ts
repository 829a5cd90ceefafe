import type { Lease } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const leaseKind = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  resource: 'leases',
  namespaced: true,
});
