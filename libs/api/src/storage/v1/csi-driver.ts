import type { CSIDriver } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const csiDriverKind = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  resource: 'csidrivers',
  namespaced: false,
});
