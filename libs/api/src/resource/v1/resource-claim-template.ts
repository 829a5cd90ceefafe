import type { ResourceClaimTemplate } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkAnnotations, checkImmutable, checkLabels } from '../../validation/fields.ts';
import { checkClaim, defaultClaim } from './claims.ts';

export const resourceClaimTemplateKind = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  resource: 'resourceclaimtemplates',
  namespaced: true,
  defaults: ({ spec }) => defaultClaim(spec?.spec),
  validate: ({ spec }) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkLabels(spec?.metadata?.labels, at.child('metadata').child('labels'));
      checkAnnotations(spec?.metadata?.annotations, at.child('metadata').child('annotations'));
      checkClaim(spec?.spec, at.child('spec'));
    }),
  validateUpdate: (template, old) => findProblems((root) => checkImmutable({ value: template.spec, old: old.spec }, root.child('spec'))),
  columns: [nameColumn, ageColumn],
});
