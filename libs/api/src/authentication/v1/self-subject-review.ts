import type { SelfSubjectReview } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const selfSubjectReviewKind = defineKind<SelfSubjectReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  resource: 'selfsubjectreviews',
  namespaced: false,
  verbs: ['create'],
});
