import type { ServiceCIDR } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const serviceCidrKind = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  resource: 'servicecidrs',
  namespaced: false,
  hasStatus: true,
});
