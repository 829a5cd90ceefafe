import type { ResourceClaimTemplate } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const resourceClaimTemplateKind = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  resource: 'resourceclaimtemplates',
  namespaced: true,
});
