import type { SelfSubjectAccessReview } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkNoMetadata, checkSelfAccess } from './access-review.ts';

export const selfSubjectAccessReviewKind = defineKind<SelfSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  resource: 'selfsubjectaccessreviews',
  namespaced: false,
  verbs: ['create'],
  validate: ({ metadata, spec }) =>
    findProblems((root) => {
      checkSelfAccess(spec, root.child('spec'));
      checkNoMetadata(metadata, root);
    }),
});
