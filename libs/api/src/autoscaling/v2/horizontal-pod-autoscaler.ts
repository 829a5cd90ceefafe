import type { HorizontalPodAutoscaler, HPAScalingRules } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkNonNegative } from '../../validation/fields.ts';
import { checkMetrics, checkScalingRules, checkTargetReference } from './metrics.ts';
import { formatTargets } from './targets.ts';

const quick = { type: 'Percent', value: 100, periodSeconds: 15 };

function withDefaults(rules: HPAScalingRules | undefined, defaults: HPAScalingRules): HPAScalingRules {
  const given = Object.fromEntries(Object.entries(rules ?? {}).filter(([, value]) => value !== undefined));
  return { ...defaults, ...given };
}

export function defaultAutoscaler({ spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }];
  if (!spec.behavior) return;
  spec.behavior.scaleUp = withDefaults(spec.behavior.scaleUp, {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, { ...quick }],
  });
  spec.behavior.scaleDown = withDefaults(spec.behavior.scaleDown, { selectPolicy: 'Max', policies: [{ ...quick }] });
}

/** Scaling to zero is for autoscalers that were stored with it: the feature is off. */
export function checkAutoscaler({ spec }: HorizontalPodAutoscaler, root: FieldPath, old?: HorizontalPodAutoscaler): void {
  const at = root.child('spec');
  const min = spec?.minReplicas;
  const max = spec?.maxReplicas ?? 0;
  const lowest = old?.spec?.minReplicas === 0 ? 0 : 1;
  if (min !== undefined && min < lowest) at.child('minReplicas').invalid(min, `must be greater than or equal to ${lowest}`);
  if (max < 1) at.child('maxReplicas').invalid(max, 'must be greater than 0');
  if (min !== undefined && max < min) at.child('maxReplicas').invalid(max, 'must be greater than or equal to `minReplicas`');
  checkTargetReference(spec?.scaleTargetRef, at.child('scaleTargetRef'));
  checkMetrics(spec?.metrics, { at: at.child('metrics'), minReplicas: min });
  checkScalingRules(spec?.behavior?.scaleUp, at.child('behavior').child('scaleUp'));
  checkScalingRules(spec?.behavior?.scaleDown, at.child('behavior').child('scaleDown'));
}

export const horizontalPodAutoscalerKind = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  resource: 'horizontalpodautoscalers',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  hasStatus: true,
  emptyStatus: { desiredReplicas: 0 },
  defaults: defaultAutoscaler,
  validate: (autoscaler) => findProblems((root) => checkAutoscaler(autoscaler, root)),
  validateUpdate: (autoscaler, old) => findProblems((root) => checkAutoscaler(autoscaler, root, old)),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      checkNonNegative(status?.currentReplicas, root.child('status').child('currentReplicas'));
      checkNonNegative(status?.desiredReplicas, root.child('status').child('desiredReplicas'));
    }),
  columns: [
    nameColumn,
    text('Reference', ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`),
    text('Targets', formatTargets),
    text('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
    text('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0),
    text('Replicas', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn,
  ],
});
