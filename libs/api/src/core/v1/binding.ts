import type { Binding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const bindingKind = defineKind<Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  resource: 'bindings',
  namespaced: true,
  verbs: ['create'],
});
