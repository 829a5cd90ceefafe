import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../gen/types.ts';
import type { KindDescriptor } from '../kind.ts';
import { mutatingAdmissionPolicyBindingKind } from './v1/mutating-admission-policy-binding.ts';
import { mutatingAdmissionPolicyKind } from './v1/mutating-admission-policy.ts';

const group = 'admissionregistration.k8s.io';

/** The same kind under a version before v1: field for field what it is in v1, and stored as that. */
function earlier<T extends { apiVersion?: string }>(kind: KindDescriptor<T>, version: string): KindDescriptor<T> {
  const at = (apiVersion: string) => (object: T): T => ({ ...object, apiVersion: `${group}/${apiVersion}` });
  return {
    ...kind,
    version,
    definition: kind.definition.replace('.v1.', `.${version}.`),
    storedAs: { group, version: 'v1', toStorage: at('v1'), fromStorage: at(version) },
  };
}

const firstBinding = earlier<MutatingAdmissionPolicyBinding>(mutatingAdmissionPolicyBindingKind, 'v1alpha1');

export const mutatingAdmissionPolicyV1beta1Kind: KindDescriptor<MutatingAdmissionPolicy> = earlier(mutatingAdmissionPolicyKind, 'v1beta1');
export const mutatingAdmissionPolicyBindingV1beta1Kind: KindDescriptor<MutatingAdmissionPolicyBinding> = earlier(mutatingAdmissionPolicyBindingKind, 'v1beta1');
export const mutatingAdmissionPolicyV1alpha1Kind: KindDescriptor<MutatingAdmissionPolicy> = earlier(mutatingAdmissionPolicyKind, 'v1alpha1');
export const mutatingAdmissionPolicyBindingV1alpha1Kind: KindDescriptor<MutatingAdmissionPolicyBinding> = {
  ...firstBinding,
  defaults: (binding) => {
    firstBinding.defaults(binding);
    if (binding.spec?.paramRef) binding.spec.paramRef.parameterNotFoundAction ??= 'Deny';
  },
};
