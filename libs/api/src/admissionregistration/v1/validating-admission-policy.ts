import type { ValidatingAdmissionPolicy } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const validatingAdmissionPolicyKind = defineKind<ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  resource: 'validatingadmissionpolicies',
  namespaced: false,
  categories: ['api-extensions'],
  hasStatus: true,
});
