import type { SubjectAccessReview } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkNoMetadata, checkSubjectAccess } from './access-review.ts';

export const subjectAccessReviewKind = defineKind<SubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  resource: 'subjectaccessreviews',
  namespaced: false,
  verbs: ['create'],
  validate: ({ metadata, spec }) =>
    findProblems((root) => {
      checkSubjectAccess(spec, root.child('spec'));
      checkNoMetadata(metadata, root);
    }),
});
