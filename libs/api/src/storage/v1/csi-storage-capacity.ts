import type { CSIStorageCapacity } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const csiStorageCapacityKind = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  resource: 'csistoragecapacities',
  namespaced: true,
});
