import type { Secret } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const secretKind = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  resource: 'secrets',
  namespaced: true,
});
