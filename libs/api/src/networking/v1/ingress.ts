import type { Ingress } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const ingressKind = defineKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  resource: 'ingresses',
  namespaced: true,
  shortNames: ['ing'],
  storagePrefix: 'ingress',
  hasStatus: true,
});
