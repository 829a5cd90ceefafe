import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../gen/types.ts';
import type { KindDescriptor } from '../kind.ts';
import { earlierVersion as earlier } from '../earlier-version.ts';
import { mutatingAdmissionPolicyBindingKind } from './v1/mutating-admission-policy-binding.ts';
import { mutatingAdmissionPolicyKind } from './v1/mutating-admission-policy.ts';

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
