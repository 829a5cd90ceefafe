import type { Namespace } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const namespaceKind = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  resource: 'namespaces',
  namespaced: false,
  shortNames: ['ns'],
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  hasStatus: true,
  subresources: [
    { name: 'finalize', kind: 'Namespace', verbs: ['update'] },
  ],
});
