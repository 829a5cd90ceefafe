import type { MutatingAdmissionPolicy } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, integer, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkMatchResources, checkParamKind, checkVariables, defaultMatchResources, paramKind } from './policies.ts';
import { checkMatchConditions } from './webhooks.ts';

function checkSpec({ spec = {} }: MutatingAdmissionPolicy, at: FieldPath): void {
  at.child('failurePolicy').requiredOneOf(spec.failurePolicy, ['Fail', 'Ignore']);
  checkParamKind(spec.paramKind, at.child('paramKind'));
  if (!spec.matchConstraints) at.child('matchConstraints').required();
  else checkMatchResources(spec.matchConstraints, at.child('matchConstraints'));
  checkMatchConditions(spec.matchConditions, at.child('matchConditions'));
  checkVariables(spec.variables, at.child('variables'));
  at.child('reinvocationPolicy').requiredOneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never']);
  if (!spec.mutations?.length) at.child('mutations').required('mutations must contain at least one item');
  for (const [i, mutation] of (spec.mutations ?? []).entries()) {
    const path = at.child('mutations').at(i);
    path.child('patchType').requiredOneOf(mutation.patchType, ['ApplyConfiguration', 'JSONPatch']);
    if (mutation.patchType === 'ApplyConfiguration' && !mutation.applyConfiguration) path.child('applyConfiguration').required('must be specified when patchType is ApplyConfiguration');
    if (mutation.patchType === 'JSONPatch' && !mutation.jsonPatch) path.child('jsonPatch').required('must be specified when patchType is JSONPatch');
  }
}

export const mutatingAdmissionPolicyKind = defineKind<MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  resource: 'mutatingadmissionpolicies',
  namespaced: false,
  categories: ['api-extensions'],
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
    integer('Mutations', ({ spec }) => (spec?.mutations ?? []).length),
    text('ParamKind', ({ spec }) => paramKind(spec?.paramKind)),
    ageColumn,
  ],
});
