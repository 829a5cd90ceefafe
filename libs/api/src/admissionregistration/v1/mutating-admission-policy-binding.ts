import type { MutatingAdmissionPolicyBinding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkMatchResources, checkMutableOperations, checkParamRef, defaultMatchResources, paramRef } from './policies.ts';

function checkSpec({ spec = {} }: MutatingAdmissionPolicyBinding, at: FieldPath): void {
  at.child('policyName').requires(spec.policyName, dns1123Subdomain);
  checkParamRef(spec.paramRef, at.child('paramRef'));
  checkMatchResources(spec.matchResources, at.child('matchResources'));
  checkMutableOperations(spec.matchResources, at.child('matchResources'));
}

export const mutatingAdmissionPolicyBindingKind = defineKind<MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  resource: 'mutatingadmissionpolicybindings',
  namespaced: false,
  categories: ['api-extensions'],
  generation: 'spec',
  unconditionalUpdate: false,
  defaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
  validate: (binding) => findProblems((root) => checkSpec(binding, root.child('spec'))),
  columns: [
    nameColumn,
    text('PolicyName', ({ spec }) => spec?.policyName ?? ''),
    text('ParamRef', ({ spec }) => paramRef(spec?.paramRef)),
    ageColumn,
  ],
});
