import type { ConfigMap } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const configMapKind = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  resource: 'configmaps',
  namespaced: true,
  shortNames: ['cm'],
});
