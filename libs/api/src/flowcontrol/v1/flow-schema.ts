import type { FlowSchema } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';

const maxPrecedence = 10_000;

function checkSpec({ metadata, spec }: FlowSchema, at: FieldPath): void {
  const precedence = spec?.matchingPrecedence ?? 0;
  if (precedence <= 0) at.child('matchingPrecedence').invalid(precedence, 'must be a positive value');
  if (precedence > maxPrecedence) at.child('matchingPrecedence').invalid(precedence, `must not be greater than ${maxPrecedence}`);
  if (precedence === 1 && metadata?.name !== 'exempt') at.child('matchingPrecedence').invalid(precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  if (!spec?.priorityLevelConfiguration?.name) at.child('priorityLevelConfiguration').child('name').required('must reference a priority level');
  if (spec?.distinguisherMethod) at.child('distinguisherMethod').child('type').requiredOneOf(spec.distinguisherMethod.type, ['ByNamespace', 'ByUser']);
  for (const [i, rule] of (spec?.rules ?? []).entries()) {
    const path = at.child('rules').at(i);
    if (!rule.subjects?.length) path.child('subjects').required('subjects must contain at least one value');
    if (!rule.resourceRules?.length && !rule.nonResourceRules?.length) path.required('at least one of resourceRules and nonResourceRules has to be non-empty');
    for (const [s, subject] of (rule.subjects ?? []).entries()) {
      path.child('subjects').at(s).child('kind').requiredOneOf(subject.kind, ['Group', 'ServiceAccount', 'User']);
    }
  }
}

function dangling({ status }: FlowSchema): string {
  return (status?.conditions ?? []).find(({ type }) => type === 'Dangling')?.status ?? '?';
}

export const flowSchemaKind = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  resource: 'flowschemas',
  namespaced: false,
  hasStatus: true,
  generation: 'spec',
  defaults: ({ spec }) => {
    if (spec) spec.matchingPrecedence ||= 1000;
  },
  validate: (schema) => findProblems((root) => checkSpec(schema, root.child('spec'))),
  columns: [
    nameColumn,
    text('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? '<none>'),
    text('MatchingPrecedence', ({ spec }) => String(spec?.matchingPrecedence ?? 0)),
    text('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn,
    text('MissingPL', dangling),
  ],
});
