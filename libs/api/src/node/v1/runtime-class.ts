import type { RuntimeClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const runtimeClassKind = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  resource: 'runtimeclasses',
  namespaced: false,
});
