import type { ReplicaSet } from '../../../gen/types.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, containerColumns, formatSelector, integer, nameColumn, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkNonNegative } from '../../validation/fields.ts';
import { podNameWarnings } from '../../validation/pod-names.ts';
import { checkReplicaCounts, checkWorkload } from './workload.ts';

function checkSpec({ spec }: ReplicaSet, at: FieldPath): void {
  if (!spec) return at.child('selector').required();
  checkNonNegative(spec.replicas, at.child('replicas'));
  checkNonNegative(spec.minReadySeconds, at.child('minReadySeconds'));
  // Upstream says "deployment" here as well.
  checkWorkload(spec, { at, wording: { selectorOf: 'deployment', deadlineIn: 'ReplicaSet' } });
}

export const replicaSetKind = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  resource: 'replicasets',
  namespaced: true,
  shortNames: ['rs'],
  categories: ['all'],
  hasStatus: true,
  emptyStatus: { replicas: 0 },
  generation: 'spec',
  scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.replicas ??= 1;
    defaultPodTemplate(spec.template);
  },
  validate: (set) => findProblems((root) => checkSpec(set, root.child('spec'))),
  validateUpdate: (set, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkSpec(set, at);
      checkImmutable({ value: set.spec?.selector, old: old.spec?.selector }, at.child('selector'));
    }),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      checkReplicaCounts(status ?? {}, { at: root.child('status'), below: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] });
    }),
  warnings: ({ metadata, spec }, old) => [
    ...(old ? [] : podNameWarnings(metadata?.name)),
    ...podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
  ],
  selectableFields: ['status.replicas'],
  selectable: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  columns: [
    nameColumn,
    integer('Desired', ({ spec }) => spec?.replicas ?? 0),
    integer('Current', ({ status }) => status?.replicas ?? 0),
    integer('Ready', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...containerColumns<ReplicaSet>(({ spec }) => spec?.template?.spec?.containers),
    wideText('Selector', ({ spec }) => formatSelector(spec?.selector)),
  ],
});
