import type { MutatingAdmissionPolicy, Mutation } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, integer, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { ExpressionCheck } from '../expression-check.ts';
import { checkMatchConditions } from './match-conditions.ts';
import { checkMatchConstraints, checkMutableOperations, checkParamKind, defaultMatchResources, paramKind } from './policies.ts';

type Members = Partial<Record<'applyConfiguration' | 'jsonPatch', { expression?: string }>>;

/** One member of the union, `other` being the one that must not be there. */
function checkMember(mutation: Mutation, at: FieldPath, { member, other, check }: { member: keyof Members; other: keyof Members; check: ExpressionCheck }): void {
  const { patchType } = mutation;
  const members = mutation as Members;
  const expression = members[member]?.expression ?? '';
  if (!members[member]) at.child(member).required(`must be specified when patchType is ${patchType}`);
  else if (!expression.trim()) at.child(member).child('expression').required('expression is not specified');
  else check.compile(member, expression, at.child(member).child('expression'));
  if (members[other]) at.child(other).invalid(`{${other}}`, `must not be specified when patchType is ${patchType}`);
}

function checkMutation(mutation: Mutation, at: FieldPath, check: ExpressionCheck): void {
  at.child('patchType').requiredOneOf(mutation.patchType, ['ApplyConfiguration', 'JSONPatch']);
  if (mutation.patchType === 'ApplyConfiguration') checkMember(mutation, at, { member: 'applyConfiguration', other: 'jsonPatch', check });
  if (mutation.patchType === 'JSONPatch') checkMember(mutation, at, { member: 'jsonPatch', other: 'applyConfiguration', check });
}

export function checkMutatingPolicy({ spec = {} }: MutatingAdmissionPolicy, at: FieldPath, old?: MutatingAdmissionPolicy): void {
  at.child('failurePolicy').requiredOneOf(spec.failurePolicy, ['Fail', 'Ignore']);
  checkParamKind(spec.paramKind, at.child('paramKind'));
  checkMatchConstraints(spec.matchConstraints, at.child('matchConstraints'));
  checkMutableOperations(spec.matchConstraints, at.child('matchConstraints'));
  const hasParams = spec.paramKind !== undefined;
  const before = old?.spec;
  const sameConditions = before !== undefined && semanticEqual(spec.paramKind, before.paramKind) && semanticEqual(spec.matchConditions, before.matchConditions);
  if (!sameConditions) checkMatchConditions(spec.matchConditions, at.child('matchConditions'), { hasParams });
  const check = new ExpressionCheck({ hasParams, hasVariables: true, hasPatchTypes: true });
  check.variables(spec.variables, at.child('variables'));
  if (!spec.mutations?.length) at.child('mutations').required('mutations must contain at least one item');
  for (const [i, mutation] of (spec.mutations ?? []).entries()) checkMutation(mutation, at.child('mutations').at(i), check);
  at.child('reinvocationPolicy').requiredOneOf(spec.reinvocationPolicy, ['Never', 'IfNeeded']);
}

export function defaultMutatingPolicy({ spec }: MutatingAdmissionPolicy): void {
  if (!spec) return;
  spec.failurePolicy ??= 'Fail';
  defaultMatchResources(spec.matchConstraints);
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
  defaults: defaultMutatingPolicy,
  validate: (policy) => findProblems((root) => checkMutatingPolicy(policy, root.child('spec'))),
  validateUpdate: (policy, old) => findProblems((root) => checkMutatingPolicy(policy, root.child('spec'), old)),
  columns: [
    nameColumn,
    integer('Mutations', ({ spec }) => (spec?.mutations ?? []).length),
    text('ParamKind', ({ spec }) => paramKind(spec?.paramKind)),
    ageColumn,
  ],
});
