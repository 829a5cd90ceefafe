import type { RuntimeClass } from '../../../gen/types.ts';
import { checkResourceQuantity } from '../../core/v1/pod-template/resource-validation.ts';
import { checkTolerations } from '../../core/v1/pod-template/scheduling-validation.ts';
import { deprecatedNodeLabels } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkLabels } from '../../validation/fields.ts';
import { dns1123Label } from '../../validation/names.ts';

function checkClass(object: RuntimeClass, root: FieldPath): void {
  root.child('handler').matches(object.handler, dns1123Label);
  for (const [name, quantity] of Object.entries(object.overhead?.podFixed ?? {})) {
    checkResourceQuantity(name, quantity, root.child('overhead').child('podFixed').at(name));
  }
  checkLabels(object.scheduling?.nodeSelector, root.child('scheduling').child('nodeSelector'));
  checkTolerations(object.scheduling?.tolerations, root.child('scheduling').child('tolerations'));
}

export const runtimeClassKind = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  resource: 'runtimeclasses',
  namespaced: false,
  unconditionalUpdate: false,
  validate: (object) => findProblems((root) => checkClass(object, root)),
  validateUpdate: (object, old) => findProblems((root) => checkImmutable({ value: object.handler, old: old.handler }, root.child('handler'))),
  warnings: ({ scheduling }) => Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => (deprecatedNodeLabels[key] ? [`scheduling.nodeSelector: ${deprecatedNodeLabels[key]}`] : [])),
  columns: [nameColumn, text('Handler', ({ handler }) => handler ?? ''), ageColumn],
});
