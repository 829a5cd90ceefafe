import type { PersistentVolume } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const persistentVolumeKind = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  resource: 'persistentvolumes',
  namespaced: false,
  shortNames: ['pv'],
  hasStatus: true,
});
