import type { ResourceQuota } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const resourceQuotaKind = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  resource: 'resourcequotas',
  namespaced: true,
  shortNames: ['quota'],
  hasStatus: true,
});
