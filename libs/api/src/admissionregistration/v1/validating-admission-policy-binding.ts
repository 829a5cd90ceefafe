import type { ValidatingAdmissionPolicyBinding } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkMatchResources, checkParamRef, defaultMatchResources, paramRef } from './policies.ts';

function checkSpec({ spec }: ValidatingAdmissionPolicyBinding, at: FieldPath): void {
  at.child('policyName').requires(spec?.policyName, dns1123Subdomain);
  checkParamRef(spec?.paramRef, at.child('paramRef'));
  // Upstream spells the field so in its messages.
  checkMatchResources(spec?.matchResources, at.child('matchResouces'));
  const actions = spec?.validationActions ?? [];
  const path = at.child('validationActions');
  for (const [i, action] of actions.entries()) {
    if (!['Audit', 'Deny', 'Warn'].includes(action)) path.at(i).notSupported(action, ['Audit', 'Deny', 'Warn']);
    if (actions.indexOf(action) < i) path.at(i).duplicate(action);
  }
  if (actions.includes('Deny') && actions.includes('Warn')) path.invalid(actions, 'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)');
  if (actions.length === 0) path.required('at least one validation action is required');
}

export const validatingAdmissionPolicyBindingKind = defineKind<ValidatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  resource: 'validatingadmissionpolicybindings',
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
