import type { Lease } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkNonNegative, checkPositive } from '../../validation/fields.ts';
import { checkStrategy } from './strategy.ts';

export const leaseKind = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  resource: 'leases',
  namespaced: true,
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate: ({ spec }) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkPositive(spec?.leaseDurationSeconds, at.child('leaseDurationSeconds'));
      checkNonNegative(spec?.leaseTransitions, at.child('leaseTransitions'));
      if (spec?.strategy !== undefined) checkStrategy(spec.strategy, at.child('strategy'));
      if (spec?.preferredHolder && !spec.strategy) at.child('preferredHolder').forbidden('may only be specified if `strategy` is defined');
    }),
  columns: [nameColumn, text('Holder', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn],
});
