import type { EndpointSlice } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const endpointSliceKind = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  resource: 'endpointslices',
  namespaced: true,
});
