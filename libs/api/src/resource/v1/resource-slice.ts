import type { ResourceSlice } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const resourceSliceKind = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  resource: 'resourceslices',
  namespaced: false,
});
