import type { ReplicationController } from '../../../gen/types.ts';
import { checkReplicaCounts } from '../../apps/v1/workload.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, containerColumns, formatLabels, integer, nameColumn, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkNonNegative } from '../../validation/fields.ts';
import { selectorMatches } from '../../validation/label-selector.ts';
import { defaultPodTemplate } from './pod-template/defaults.ts';
import { checkPodTemplate } from './pod-template/pod-spec-validation.ts';
import { podSpecWarnings } from './pod-template/warnings.ts';

function setDefaults(controller: ReplicationController): void {
  const { spec } = controller;
  if (!spec) return;
  const labels = spec.template?.metadata?.labels;
  if (labels && Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
  if (labels && Object.keys(controller.metadata?.labels ?? {}).length === 0) controller.metadata = { ...controller.metadata, labels: { ...labels } };
  spec.replicas ??= 1;
  defaultPodTemplate(spec.template);
}

function checkSpec({ spec }: ReplicationController, at: FieldPath): void {
  checkNonNegative(spec?.minReadySeconds, at.child('minReadySeconds'));
  if (Object.keys(spec?.selector ?? {}).length === 0) at.child('selector').required();
  checkNonNegative(spec?.replicas, at.child('replicas'));
  const template = spec?.template;
  const path = at.child('template');
  if (!template) return path.required();
  const labels = template.metadata?.labels;
  if (!selectorMatches({ matchLabels: spec.selector }, labels)) path.child('metadata').child('labels').invalid(labels ?? null, '`selector` does not match template `labels`');
  checkPodTemplate(template, path);
  const policy = template.spec?.restartPolicy;
  if (policy !== 'Always') path.child('spec').child('restartPolicy').notSupported(policy ?? '', ['Always']);
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    path.child('spec').child('activeDeadlineSeconds').forbidden('activeDeadlineSeconds in ReplicationController is not Supported');
  }
}

export const replicationControllerKind = defineKind<ReplicationController>({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  resource: 'replicationcontrollers',
  namespaced: true,
  shortNames: ['rc'],
  categories: ['all'],
  storagePrefix: 'controllers',
  hasStatus: true,
  emptyStatus: { replicas: 0 },
  generation: 'spec',
  scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  defaults: setDefaults,
  validate: (controller) => findProblems((root) => checkSpec(controller, root.child('spec'))),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => checkReplicaCounts(status ?? {}, { at: root.child('status'), below: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] })),
  warnings: ({ spec }, old) => podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec', metadata: spec?.template?.metadata }),
  selectableFields: ['status.replicas'],
  selectable: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  columns: [
    nameColumn,
    integer('Desired', ({ spec }) => spec?.replicas ?? 0),
    integer('Current', ({ status }) => status?.replicas ?? 0),
    integer('Ready', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...containerColumns<ReplicationController>(({ spec }) => spec?.template?.spec?.containers),
    wideText('Selector', ({ spec }) => formatLabels(spec?.selector)),
  ],
});
