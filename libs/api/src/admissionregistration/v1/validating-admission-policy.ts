import type { ValidatingAdmissionPolicy } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, integer, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkMatchResources, checkParamKind, checkVariables, defaultMatchResources, paramKind } from './policies.ts';
import { checkMatchConditions } from './webhooks.ts';

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];

function checkSpec({ spec = {} }: ValidatingAdmissionPolicy, at: FieldPath): void {
  at.child('failurePolicy').requiredOneOf(spec.failurePolicy, ['Fail', 'Ignore']);
  checkParamKind(spec.paramKind, at.child('paramKind'));
  if (!spec.matchConstraints) at.child('matchConstraints').required();
  else {
    checkMatchResources(spec.matchConstraints, at.child('matchConstraints'));
    if (!spec.matchConstraints.resourceRules?.length) at.child('matchConstraints').child('resourceRules').required();
  }
  checkMatchConditions(spec.matchConditions, at.child('matchConditions'));
  checkVariables(spec.variables, at.child('variables'));
  if (!spec.validations?.length && !spec.auditAnnotations?.length) {
    at.child('validations').required('validations or auditAnnotations must contain at least one item');
    at.child('auditAnnotations').required('validations or auditAnnotations must contain at least one item');
  }
  for (const [i, { expression, reason }] of (spec.validations ?? []).entries()) {
    const path = at.child('validations').at(i);
    if (!expression?.trim()) path.child('expression').required('expression is not specified');
    path.child('reason').oneOf(reason, reasons);
  }
  for (const [i, { key, valueExpression }] of (spec.auditAnnotations ?? []).entries()) {
    const path = at.child('auditAnnotations').at(i);
    if (!key) path.child('key').required();
    if (!valueExpression?.trim()) path.child('valueExpression').required('valueExpression is not specified');
  }
}

export const validatingAdmissionPolicyKind = defineKind<ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  listKind: 'ValidatingAdmissionPolicyList',
  resource: 'validatingadmissionpolicies',
  namespaced: false,
  categories: ['api-extensions'],
  hasStatus: true,
  generation: 'spec',
  unconditionalUpdate: false,
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    defaultMatchResources(spec.matchConstraints);
  },
  validate: (policy) => findProblems((root) => checkSpec(policy, root.child('spec'))),
  columns: [
    nameColumn,
    integer('Validations', ({ spec }) => (spec?.validations ?? []).length),
    text('ParamKind', ({ spec }) => paramKind(spec?.paramKind)),
    ageColumn,
  ],
});
