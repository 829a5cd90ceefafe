import type { CSINode } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const csiNodeKind = defineKind<CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  resource: 'csinodes',
  namespaced: false,
});
