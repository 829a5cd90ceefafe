import type { KubeObject } from '@orrery/apimachinery';
import { defineKind } from '../../define-kind.ts';

export const horizontalPodAutoscalerV1Kind = defineKind<KubeObject>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  resource: 'horizontalpodautoscalers',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  hasStatus: true,
});
