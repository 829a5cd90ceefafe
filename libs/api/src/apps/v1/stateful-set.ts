import type { FieldError } from '@orrery/errors';
import type { StatefulSet, StatefulSetSpec } from '../../../gen/types.ts';
import { defaultClaimSpec } from '../../core/v1/pod-template/volume-defaults.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, containerColumns, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkNonNegative, checkNonNegativeIntOrPercent, checkNotAbove100Percent, intOrPercentValue } from '../../validation/fields.ts';
import { checkCollisionCount, checkReplicaCounts, checkWorkload } from './workload.ts';

function setDefaults({ spec }: StatefulSet): void {
  if (!spec) return;
  spec.podManagementPolicy ||= 'OrderedReady';
  const strategy = (spec.updateStrategy ??= {});
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') (strategy.rollingUpdate ??= {}).partition ??= 0;
  const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {});
  retention.whenDeleted ||= 'Retain';
  retention.whenScaled ||= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion ??= 'v1';
    claim.kind ??= 'PersistentVolumeClaim';
    claim.status = { phase: 'Pending', ...claim.status };
    if (claim.spec) defaultClaimSpec(claim.spec);
  }
  defaultPodTemplate(spec.template);
}

function checkStrategy(strategy: StatefulSetSpec['updateStrategy'], at: FieldPath): void {
  const rolling = strategy?.rollingUpdate;
  const path = at.child('rollingUpdate');
  if (!strategy?.type) return at.required();
  if (strategy.type === 'OnDelete') {
    if (rolling) path.invalid(rolling, "only allowed for updateStrategy 'RollingUpdate'");
  } else if (strategy.type === 'RollingUpdate') {
    checkNonNegative(rolling?.partition, path.child('partition'));
    const max = rolling?.maxUnavailable;
    checkNonNegativeIntOrPercent(max, path.child('maxUnavailable'));
    if (max !== undefined && intOrPercentValue(max) === 0) path.child('maxUnavailable').invalid(max, 'cannot be 0');
    checkNotAbove100Percent(max, path.child('maxUnavailable'));
  } else at.invalid(strategy, "must be 'RollingUpdate' or 'OnDelete'");
}

function checkSpec({ spec }: StatefulSet, at: FieldPath): void {
  if (!spec) return at.child('selector').required();
  const policy = spec.podManagementPolicy;
  if (!policy) at.child('podManagementPolicy').required();
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') at.child('podManagementPolicy').invalid(policy, "must be 'OrderedReady' or 'Parallel'");
  checkStrategy(spec.updateStrategy, at.child('updateStrategy'));
  const retention = at.child('persistentVolumeClaimRetentionPolicy');
  retention.child('whenDeleted').oneOf(spec.persistentVolumeClaimRetentionPolicy?.whenDeleted, ['Delete', 'Retain']);
  retention.child('whenScaled').oneOf(spec.persistentVolumeClaimRetentionPolicy?.whenScaled, ['Delete', 'Retain']);
  checkNonNegative(spec.replicas, at.child('replicas'));
  checkNonNegative(spec.minReadySeconds, at.child('minReadySeconds'));
  checkNonNegative(spec.ordinals?.start, at.child('ordinals').child('start'));
  checkNonNegative(spec.revisionHistoryLimit, at.child('revisionHistoryLimit'));
  checkWorkload(spec, { at, wording: { selectorOf: 'statefulset', deadlineIn: 'StatefulSet' } });
}

const forbiddenMessage =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const changeable = new Set(['replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy', 'minReadySeconds']);

const fixedPart = (spec: StatefulSetSpec | undefined): unknown => Object.fromEntries(Object.entries(spec ?? {}).filter(([name]) => !changeable.has(name)));

function validateUpdate(set: StatefulSet, old: StatefulSet): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(set, at);
    if (!semanticEqual(fixedPart(set.spec), fixedPart(old.spec))) at.forbidden(forbiddenMessage);
  });
}

export const statefulSetKind = defineKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  resource: 'statefulsets',
  namespaced: true,
  shortNames: ['sts'],
  categories: ['all'],
  hasStatus: true,
  emptyStatus: { replicas: 0, availableReplicas: 0 },
  generation: 'spec',
  scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  defaults: setDefaults,
  validate: (set) => findProblems((root) => checkSpec(set, root.child('spec'))),
  validateUpdate,
  validateStatusUpdate: ({ status }, old) =>
    findProblems((root) => {
      const at = root.child('status');
      checkReplicaCounts(status ?? {}, { at, below: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] });
      checkCollisionCount({ value: status?.collisionCount, old: old.status?.collisionCount }, at.child('collisionCount'));
    }),
  warnings: ({ spec }, old) => podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
  columns: [
    nameColumn,
    text('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    ageColumn,
    ...containerColumns<StatefulSet>(({ spec }) => spec?.template?.spec?.containers),
  ],
});
