import type { StorageClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const storageClassKind = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  resource: 'storageclasses',
  namespaced: false,
  shortNames: ['sc'],
});
