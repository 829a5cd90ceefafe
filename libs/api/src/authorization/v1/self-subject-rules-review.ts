import type { SelfSubjectRulesReview } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';

export const selfSubjectRulesReviewKind = defineKind<SelfSubjectRulesReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  resource: 'selfsubjectrulesreviews',
  namespaced: false,
  verbs: ['create'],
  validate: ({ spec }) =>
    findProblems((root) => {
      if (!spec?.namespace) root.child('spec').child('namespace').required('no namespace on request');
    }),
});
