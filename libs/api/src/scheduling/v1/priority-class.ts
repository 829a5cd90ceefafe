import type { PriorityClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, flag, integer, nameColumn, text } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';

const highestUserValue = 1_000_000_000;
const systemClasses: Readonly<Record<string, number>> = { 'system-node-critical': 2_000_001_000, 'system-cluster-critical': 2_000_000_000 };

export const priorityClassKind = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  resource: 'priorityclasses',
  namespaced: false,
  shortNames: ['pc'],
  generation: () => undefined,
  defaults: (object) => {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
    object.value ??= 0;
  },
  validate: ({ metadata, value = 0, preemptionPolicy, globalDefault }) =>
    findProblems((root) => {
      const name = metadata?.name ?? '';
      if (name.startsWith('system-')) {
        const known = systemClasses[name];
        const problem = known === undefined ? `${name} is not a known system priority class` : `value of ${name} PriorityClass must be ${known}`;
        if (known !== value || globalDefault) root.child('metadata').child('name').forbidden(`priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`);
      } else if (value > highestUserValue) root.child('value').forbidden(`maximum allowed value of a user defined priority is ${highestUserValue}`);
      root.child('preemptionPolicy').requiredOneOf(preemptionPolicy, ['Never', 'PreemptLowerPriority']);
    }),
  refusesDelete: (name) => (name in systemClasses ? 'this is a system priority class and cannot be deleted' : undefined),
  validateUpdate: (object, old) =>
    findProblems((root) => {
      if ((object.value ?? 0) !== (old.value ?? 0)) root.child('value').forbidden('may not be changed in an update.');
      checkImmutable({ value: object.preemptionPolicy, old: old.preemptionPolicy }, root.child('preemptionPolicy'));
    }),
  columns: [
    nameColumn,
    integer('Value', ({ value }) => value ?? 0),
    flag('Global-Default', ({ globalDefault }) => globalDefault ?? false),
    ageColumn,
    text('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ],
});
