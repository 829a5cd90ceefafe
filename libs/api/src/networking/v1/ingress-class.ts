import type { IngressClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const ingressClassKind = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  resource: 'ingressclasses',
  namespaced: false,
});
