import type { LocalSubjectAccessReview } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkNoMetadata, checkSubjectAccess } from './access-review.ts';

export const localSubjectAccessReviewKind = defineKind<LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  resource: 'localsubjectaccessreviews',
  namespaced: true,
  verbs: ['create'],
  validate: ({ metadata, spec }) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkSubjectAccess(spec, at);
      checkNoMetadata(metadata, root, { namespaced: true });
      const namespace = spec?.resourceAttributes?.namespace;
      if (spec?.resourceAttributes && namespace !== metadata?.namespace) at.child('resourceAttributes').child('namespace').invalid(namespace ?? '', 'must match metadata.namespace');
      if (spec?.nonResourceAttributes) at.child('nonResourceAttributes').invalid(spec.nonResourceAttributes, 'disallowed on this kind of request');
    }),
});
