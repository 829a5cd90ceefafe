import type { APIService } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const apiServiceKind = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  resource: 'apiservices',
  namespaced: false,
  categories: ['api-extensions'],
  storagePrefix: 'apiregistration.k8s.io/apiservices',
  hasStatus: true,
});
