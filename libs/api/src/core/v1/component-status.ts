import type { ComponentStatus } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const componentStatusKind = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  resource: 'componentstatuses',
  namespaced: false,
  shortNames: ['cs'],
  verbs: ['get', 'list'],
});
