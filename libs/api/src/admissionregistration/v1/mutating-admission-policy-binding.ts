import type { MutatingAdmissionPolicyBinding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const mutatingAdmissionPolicyBindingKind = defineKind<MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  resource: 'mutatingadmissionpolicybindings',
  namespaced: false,
  categories: ['api-extensions'],
});
