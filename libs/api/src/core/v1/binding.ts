import type { Binding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';

/** Also what POST pods/binding takes. */
export const bindingKind = defineKind<Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  resource: 'bindings',
  namespaced: true,
  verbs: ['create'],
  validate: ({ target }) =>
    findProblems((root) => {
      const at = root.child('target');
      at.child('kind').oneOf(target?.kind, ['Node', '<empty>']);
      if (!target?.name) at.child('name').required();
    }),
});
