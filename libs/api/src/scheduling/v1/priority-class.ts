import type { PriorityClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const priorityClassKind = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  resource: 'priorityclasses',
  namespaced: false,
  shortNames: ['pc'],
});
