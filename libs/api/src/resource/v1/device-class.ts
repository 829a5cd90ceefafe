import type { DeviceClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const deviceClassKind = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  resource: 'deviceclasses',
  namespaced: false,
});
