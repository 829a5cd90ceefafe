import type { PodDisruptionBudget } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, integer, nameColumn, text } from '../../printing/columns.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkNonNegative, checkNonNegativeIntOrPercent, checkNotAbove100Percent } from '../../validation/fields.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';

function checkSpec({ spec = {} }: PodDisruptionBudget, at: FieldPath): void {
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) at.invalid(spec, 'minAvailable and maxUnavailable cannot be both set');
  for (const name of ['minAvailable', 'maxUnavailable'] as const) {
    checkNonNegativeIntOrPercent(spec[name], at.child(name));
    checkNotAbove100Percent(spec[name], at.child(name));
  }
  checkLabelSelector(spec.selector, at.child('selector'));
  at.child('unhealthyPodEvictionPolicy').oneOf(spec.unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget']);
}

const counters = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;

export const podDisruptionBudgetKind = defineKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  resource: 'poddisruptionbudgets',
  namespaced: true,
  shortNames: ['pdb'],
  hasStatus: true,
  emptyStatus: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
  generation: 'spec',
  unconditionalUpdate: false,
  validate: (budget) => findProblems((root) => checkSpec(budget, root.child('spec'))),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      checkConditions(status?.conditions, root.child('status').child('conditions'));
      for (const name of counters) checkNonNegative(status?.[name], root.child('status').child(name));
    }),
  columns: [
    nameColumn,
    text('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
    text('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
    integer('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn,
  ],
});
