import type { FieldError } from '@orrery/errors';
import type { StatefulSet, StatefulSetSpec } from '../../../gen/types.ts';
import { defaultClaimSpec } from '../../core/v1/pod-template/volume-defaults.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import type { StrategyContext } from '../../kind.ts';
import { ageColumn, containerColumns, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkNonNegative, checkNonNegativeIntOrPercent, checkNotAbove100Percent, intOrPercentValue } from '../../validation/fields.ts';
import { dns1123Label } from '../../validation/names.ts';
import { checkCollisionCount, checkReplicaCounts, checkWorkload, shownStrategy } from './workload.ts';

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
  } else at.invalid(shownStrategy(strategy), "must be 'RollingUpdate' or 'OnDelete'");
}

/**
 * Behind a gate that is off by default: without it `maxUnavailable` is only kept where it is in use, with it sets that say nothing have one.
 * Upstream does the latter with its defaults.
 */
function gateMaxUnavailable({ spec }: StatefulSet, old: StatefulSet | undefined, { isFeatureOn }: StrategyContext): void {
  const rolling = spec?.updateStrategy?.rollingUpdate;
  if (!rolling) return;
  if (isFeatureOn?.('MaxUnavailableStatefulSet')) rolling.maxUnavailable ??= 1;
  else if (old?.spec?.updateStrategy?.rollingUpdate?.maxUnavailable === undefined) delete rolling.maxUnavailable;
}

function checkRetention(policy: StatefulSetSpec['persistentVolumeClaimRetentionPolicy'], at: FieldPath): void {
  for (const name of ['whenDeleted', 'whenScaled'] as const) {
    const value = policy?.[name];
    if (policy && value !== 'Retain' && value !== 'Delete') at.child(name).notSupported(value ?? '', ['Retain', 'Delete']);
  }
}

/** Claims are volumes of every pod, in place of those with the same name. */
function withClaims({ template, volumeClaimTemplates: claims = [] }: StatefulSetSpec): StatefulSetSpec['template'] {
  if (claims.length === 0 || !template?.spec) return template;
  const names = new Set(claims.map(({ metadata }) => metadata?.name ?? ''));
  const own = (template.spec.volumes ?? []).filter(({ name }) => !names.has(name));
  const added = [...names].filter((name) => name !== '').map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...own, ...added] } };
}

function checkSpec({ spec }: StatefulSet, { at, old }: { at: FieldPath; old?: StatefulSet }): void {
  if (!spec) return at.child('selector').required();
  const policy = spec.podManagementPolicy;
  if (!policy) at.child('podManagementPolicy').required();
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') at.child('podManagementPolicy').invalid(policy, "must be 'OrderedReady' or 'Parallel'");
  checkStrategy(spec.updateStrategy, at.child('updateStrategy'));
  checkRetention(spec.persistentVolumeClaimRetentionPolicy, at.child('persistentVolumeClaimRetentionPolicy'));
  checkNonNegative(spec.replicas, at.child('replicas'));
  checkNonNegative(spec.minReadySeconds, at.child('minReadySeconds'));
  checkNonNegative(spec.ordinals?.start, at.child('ordinals').child('start'));
  if (spec.serviceName && spec.serviceName !== old?.spec?.serviceName) at.child('serviceName').matches(spec.serviceName, dns1123Label);
  checkWorkload({ ...spec, template: withClaims(spec) }, { at, wording: { selectorOf: 'statefulset', deadlineIn: 'StatefulSet', unreadable: '' } });
}

const forbiddenMessage =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const changeable = new Set(['replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy', 'minReadySeconds']);

const fixedPart = (spec: StatefulSetSpec | undefined): unknown => Object.fromEntries(Object.entries(spec ?? {}).filter(([name]) => !changeable.has(name)));

function validateUpdate(set: StatefulSet, old: StatefulSet): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(set, { at, old });
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
  onCreate: (set, context) => gateMaxUnavailable(set, undefined, context),
  onUpdate: gateMaxUnavailable,
  validate: (set) => findProblems((root) => checkSpec(set, { at: root.child('spec') })),
  validateUpdate,
  validateStatusUpdate: ({ status }, old) =>
    findProblems((root) => {
      const at = root.child('status');
      checkReplicaCounts(status ?? {}, { at, below: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'], ready: 'status.readyReplicas' });
      checkCollisionCount({ value: status?.collisionCount, old: old.status?.collisionCount }, at.child('collisionCount'));
    }),
  warnings: ({ spec }, old) => [
    ...podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
    ...((spec?.revisionHistoryLimit ?? 0) < 0 ? ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended'] : []),
  ],
  columns: [
    nameColumn,
    text('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    ageColumn,
    ...containerColumns<StatefulSet>(({ spec }) => spec?.template?.spec?.containers),
  ],
});
