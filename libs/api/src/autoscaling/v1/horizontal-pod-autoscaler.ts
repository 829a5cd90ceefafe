import type { AutoscalingV1HorizontalPodAutoscaler as HorizontalPodAutoscaler } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkAutoscaler, horizontalPodAutoscalerKind as v2 } from '../v2/horizontal-pod-autoscaler.ts';
import { fromV2, toV2 } from './conversion.ts';

export const horizontalPodAutoscalerV1Kind = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  resource: 'horizontalpodautoscalers',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  hasStatus: true,
  emptyStatus: { currentReplicas: 0, desiredReplicas: 0 },
  storedAs: { group: 'autoscaling', version: 'v2', toStorage: toV2, fromStorage: fromV2 },
  // Without any metric the target is 80 % of the cpu requested, as v2 has it.
  defaults: ({ metadata, spec }) => {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (spec.targetCPUUtilizationPercentage === undefined && !metadata?.annotations?.['autoscaling.alpha.kubernetes.io/metrics']) spec.targetCPUUtilizationPercentage = 80;
  },
  validate: (autoscaler) => findProblems((root) => checkAutoscaler(toV2(autoscaler), root)),
  validateUpdate: (autoscaler, old) => findProblems((root) => checkAutoscaler(toV2(autoscaler), root, toV2(old))),
  validateStatusUpdate: (autoscaler, old) => v2.validateStatusUpdate(toV2(autoscaler), toV2(old)),
  columns: v2.columns.map((column) => ({ ...column, cell: (autoscaler, context) => column.cell(toV2(autoscaler), context) })),
});
