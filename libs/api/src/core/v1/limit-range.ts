import type { LimitRange } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const limitRangeKind = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  resource: 'limitranges',
  namespaced: true,
  shortNames: ['limits'],
});
