import type { Role } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { fallbackColumns } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkRules, rbacGroup } from './rules.ts';

export const roleKind = defineKind<Role>({
  group: rbacGroup,
  version: 'v1',
  kind: 'Role',
  resource: 'roles',
  namespaced: true,
  nameRule: 'pathSegment',
  createOnUpdate: true,
  validate: ({ rules }) => findProblems((root) => checkRules(rules, { at: root.child('rules'), namespaced: true })),
  columns: fallbackColumns,
});
