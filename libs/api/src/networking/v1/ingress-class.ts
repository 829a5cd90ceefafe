import type { IngressClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1123Label } from '../../validation/names.ts';
import { checkDomainPrefixedPath } from '../../validation/domain-path.ts';
import { checkTypedReference } from './typed-reference.ts';

function checkSpec({ spec }: IngressClass, at: FieldPath): void {
  if ((spec?.controller ?? '').length > 250) at.child('controller').tooLong(spec?.controller, 250);
  checkDomainPrefixedPath(spec?.controller, at.child('controller'));
  const parameters = spec?.parameters;
  if (!parameters) return;
  const path = at.child('parameters');
  checkTypedReference(parameters, path);
  path.child('scope').requiredOneOf(parameters.scope, ['Cluster', 'Namespace']);
  if (parameters.scope === 'Namespace') {
    if (parameters.namespace === undefined) path.child('namespace').required("`parameters.scope` is set to 'Namespace'");
    else path.child('namespace').matches(parameters.namespace, dns1123Label);
  } else if (parameters.scope === 'Cluster' && parameters.namespace !== undefined) path.child('namespace').forbidden("`parameters.scope` is set to 'Cluster'");
}

function parameters({ spec }: IngressClass): string {
  const { apiGroup, kind, name } = spec?.parameters ?? {};
  if (!kind) return '<none>';
  return `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name ?? ''}`;
}

export const ingressClassKind = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  resource: 'ingressclasses',
  namespaced: false,
  generation: 'spec',
  defaults: ({ spec }) => {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate: (object) => findProblems((root) => checkSpec(object, root.child('spec'))),
  validateUpdate: (object, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkImmutable({ value: object.spec?.controller, old: old.spec?.controller }, at.child('controller'));
      checkSpec(object, at);
    }),
  columns: [nameColumn, text('Controller', ({ spec }) => spec?.controller ?? ''), text('Parameters', parameters), ageColumn],
});
