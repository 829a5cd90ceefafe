import type { FieldError } from '@orrery/errors';
import type { Deployment, DeploymentSpec, DeploymentStrategy } from '../../../gen/types.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, containerColumns, formatSelector, nameColumn, text, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkNonNegative, checkNonNegativeIntOrPercent, checkNotAbove100Percent, intOrPercentValue } from '../../validation/fields.ts';
import { podNameWarnings } from '../../validation/pod-names.ts';
import { checkCollisionCount, checkReplicaCounts, checkWorkload, shownStrategy } from './workload.ts';

function setDefaults({ spec }: Deployment): void {
  if (!spec) return;
  spec.replicas ??= 1;
  const strategy = (spec.strategy ??= {});
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {});
    rolling.maxUnavailable ??= '25%';
    rolling.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  defaultPodTemplate(spec.template);
}

function checkStrategy(strategy: DeploymentStrategy | undefined, at: FieldPath): void {
  if (!strategy) return;
  const rolling = strategy.rollingUpdate;
  const path = at.child('rollingUpdate');
  if (strategy.type === 'Recreate') {
    if (rolling) path.forbidden("may not be specified when strategy `type` is 'Recreate'");
  } else if (strategy.type !== 'RollingUpdate') at.notSupported(shownStrategy(strategy), ['Recreate', 'RollingUpdate']);
  else if (!rolling) path.required('this should be defaulted and never be nil');
  else {
    checkNonNegativeIntOrPercent(rolling.maxUnavailable, path.child('maxUnavailable'));
    checkNonNegativeIntOrPercent(rolling.maxSurge, path.child('maxSurge'));
    if (intOrPercentValue(rolling.maxUnavailable) === 0 && intOrPercentValue(rolling.maxSurge) === 0) {
      path.child('maxUnavailable').invalid(rolling.maxUnavailable, 'may not be 0 when `maxSurge` is 0');
    }
    checkNotAbove100Percent(rolling.maxUnavailable, path.child('maxUnavailable'));
  }
}

function checkSpec(spec: DeploymentSpec | undefined, at: FieldPath): void {
  if (!spec) return at.child('selector').required();
  checkNonNegative(spec.replicas, at.child('replicas'));
  checkWorkload(spec, { at, wording: { selectorOf: 'deployment', deadlineIn: 'ReplicaSet' } });
  checkStrategy(spec.strategy, at.child('strategy'));
  checkNonNegative(spec.minReadySeconds, at.child('minReadySeconds'));
  checkNonNegative(spec.revisionHistoryLimit, at.child('revisionHistoryLimit'));
  const deadline = spec.progressDeadlineSeconds;
  checkNonNegative(deadline, at.child('progressDeadlineSeconds'));
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) at.child('progressDeadlineSeconds').invalid(deadline, 'must be greater than minReadySeconds');
}

function validateUpdate(deployment: Deployment, old: Deployment): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(deployment.spec, at);
    checkImmutable({ value: deployment.spec?.selector, old: old.spec?.selector }, at.child('selector'));
  });
}

function validateStatusUpdate({ status = {} }: Deployment, old: Deployment): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    checkReplicaCounts(status, { at, below: ['updatedReplicas', 'readyReplicas', 'availableReplicas'] });
    checkNonNegative(status.unavailableReplicas, at.child('unavailableReplicas'));
    checkCollisionCount({ value: status.collisionCount, old: old.status?.collisionCount }, at.child('collisionCount'));
  });
}

export const deploymentKind = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  resource: 'deployments',
  namespaced: true,
  shortNames: ['deploy'],
  categories: ['all'],
  hasStatus: true,
  // What controllers note in annotations goes through /status and counts as no change.
  generation: ({ metadata, spec }) => [spec, metadata?.annotations],
  scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  defaults: setDefaults,
  // Labels set through /status are not persisted.
  onStatusUpdate: (deployment, old) => {
    const { labels: _, ...metadata } = deployment.metadata ?? {};
    deployment.metadata = old.metadata?.labels ? { ...metadata, labels: old.metadata.labels } : metadata;
  },
  validate: ({ spec }) => findProblems((root) => checkSpec(spec, root.child('spec'))),
  validateUpdate,
  validateStatusUpdate,
  warnings: ({ metadata, spec }, old) => [
    ...(old ? [] : podNameWarnings(metadata?.name)),
    ...podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
  ],
  columns: [
    nameColumn,
    text('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    text('Up-to-date', ({ status }) => status?.updatedReplicas ?? 0),
    text('Available', ({ status }) => status?.availableReplicas ?? 0),
    ageColumn,
    ...containerColumns<Deployment>(({ spec }) => spec?.template?.spec?.containers),
    wideText('Selector', ({ spec }) => formatSelector(spec?.selector)),
  ],
});
