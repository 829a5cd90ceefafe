import type { DaemonSet, DaemonSetUpdateStrategy } from '../../../gen/types.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { checkPodTemplate } from '../../core/v1/pod-template/pod-spec-validation.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, containerColumns, formatLabels, formatSelector, integer, nameColumn, text, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkNonNegative, checkNonNegativeIntOrPercent, checkNotAbove100Percent, intOrPercentValue } from '../../validation/fields.ts';
import { checkLabelSelector, isEmptySelector } from '../../validation/label-selector.ts';
import { checkCollisionCount, checkRunsForever, checkTemplateLabels, shownStrategy } from './workload.ts';

const templateGeneration = 'deprecated.daemonset.template.generation';

function setTemplateGeneration(set: DaemonSet, generation: string): void {
  set.metadata = { ...set.metadata, annotations: { ...set.metadata?.annotations, [templateGeneration]: generation } };
}

function setDefaults({ spec }: DaemonSet): void {
  if (!spec) return;
  const strategy = (spec.updateStrategy ??= {});
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {});
    rolling.maxUnavailable ??= 1;
    rolling.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  defaultPodTemplate(spec.template);
}

function checkStrategy(strategy: DaemonSetUpdateStrategy | undefined, at: FieldPath): void {
  if (!strategy || strategy.type === 'OnDelete') return;
  if (strategy.type !== 'RollingUpdate') return at.notSupported(shownStrategy(strategy), ['RollingUpdate', 'OnDelete']);
  const path = at.child('rollingUpdate');
  const rolling = strategy.rollingUpdate;
  if (!rolling) return path.required();
  checkNonNegativeIntOrPercent(rolling.maxUnavailable, path.child('maxUnavailable'));
  checkNonNegativeIntOrPercent(rolling.maxSurge, path.child('maxSurge'));
  checkNotAbove100Percent(rolling.maxUnavailable, path.child('maxUnavailable'));
  checkNotAbove100Percent(rolling.maxSurge, path.child('maxSurge'));
  const unavailable = intOrPercentValue(rolling.maxUnavailable) !== 0;
  const surge = intOrPercentValue(rolling.maxSurge) !== 0;
  if (!unavailable && !surge) path.child('maxUnavailable').required('cannot be 0 when maxSurge is 0');
  if (unavailable && surge) path.child('maxSurge').invalid(rolling.maxSurge, 'may not be set when maxUnavailable is non-zero');
}

function checkSpec({ spec }: DaemonSet, at: FieldPath): void {
  const { selector, template } = spec ?? {};
  const before = at.errors.length;
  checkLabelSelector(selector, at.child('selector'));
  const path = at.child('template');
  if (at.errors.length === before) checkTemplateLabels(template, { at: path, selector });
  if (selector && isEmptySelector(selector)) at.child('selector').invalid(selector, 'empty selector is invalid for daemonset');
  if (!spec || !template) return path.required();
  checkPodTemplate(template, path);
  checkRunsForever(template, { at: path, owner: 'DaemonSet' });
  checkNonNegative(spec.minReadySeconds, at.child('minReadySeconds'));
  checkStrategy(spec.updateStrategy, at.child('updateStrategy'));
  checkNonNegative(spec.revisionHistoryLimit, at.child('revisionHistoryLimit'));
}

const counters = ['currentNumberScheduled', 'numberMisscheduled', 'desiredNumberScheduled', 'numberReady', 'observedGeneration', 'updatedNumberScheduled', 'numberAvailable', 'numberUnavailable'] as const;

export const daemonSetKind = defineKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  resource: 'daemonsets',
  namespaced: true,
  shortNames: ['ds'],
  categories: ['all'],
  hasStatus: true,
  emptyStatus: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
  generation: 'spec',
  defaults: setDefaults,
  onCreate: (set) => setTemplateGeneration(set, '1'),
  onUpdate: (set, old) => {
    const generation = Number(old.metadata?.annotations?.[templateGeneration] ?? '1');
    const changed = !semanticEqual(set.spec?.template, old.spec?.template);
    setTemplateGeneration(set, String(changed ? generation + 1 : generation));
  },
  validate: (set) => findProblems((root) => checkSpec(set, root.child('spec'))),
  validateUpdate: (set, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkSpec(set, at);
      checkImmutable({ value: set.spec?.selector, old: old.spec?.selector }, at.child('selector'));
    }),
  validateStatusUpdate: ({ status }, old) =>
    findProblems((root) => {
      const at = root.child('status');
      for (const name of counters) checkNonNegative(status?.[name], at.child(name));
      checkCollisionCount({ value: status?.collisionCount, old: old.status?.collisionCount }, at.child('collisionCount'));
    }),
  warnings: ({ spec }, old) => podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
  columns: [
    nameColumn,
    integer('Desired', ({ status }) => status?.desiredNumberScheduled ?? 0),
    integer('Current', ({ status }) => status?.currentNumberScheduled ?? 0),
    integer('Ready', ({ status }) => status?.numberReady ?? 0),
    integer('Up-to-date', ({ status }) => status?.updatedNumberScheduled ?? 0),
    integer('Available', ({ status }) => status?.numberAvailable ?? 0),
    text('Node Selector', ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector)),
    ageColumn,
    ...containerColumns<DaemonSet>(({ spec }) => spec?.template?.spec?.containers),
    wideText('Selector', ({ spec }) => formatSelector(spec?.selector)),
  ],
});
