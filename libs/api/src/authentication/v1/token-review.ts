import type { TokenReview } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';

export const tokenReviewKind = defineKind<TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  resource: 'tokenreviews',
  namespaced: false,
  verbs: ['create'],
  validate: ({ spec }) =>
    findProblems((root) => {
      if (!spec?.token) root.child('spec').child('token').required('token is required for TokenReview in authentication');
    }),
});
