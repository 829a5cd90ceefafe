import type { FieldError } from '@orrery/errors';
import type { Job, JobSpec } from '../../../gen/types.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, containerColumns, formatSelector, nameColumn, text, wideText } from '../../printing/columns.ts';
import { humanDuration } from '../../printing/duration.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkNonNegative } from '../../validation/fields.ts';
import { isEmptySelector, selectorMatches } from '../../validation/label-selector.ts';
import { checkJobSelector, checkJobSpec, defaultJobSpec } from './job/job-spec.ts';

const uidLabel = 'batch.kubernetes.io/controller-uid';
const nameLabel = 'batch.kubernetes.io/job-name';

function setDefaults(job: Job): void {
  if (!job.spec) return;
  const labels = job.spec.template?.metadata?.labels;
  if (Object.keys(job.metadata?.labels ?? {}).length === 0 && labels) job.metadata = { ...job.metadata, labels: { ...labels } };
  defaultJobSpec(job.spec);
}

/** Jobs select their own pods by the job's uid. */
function generateSelector(job: Job): void {
  const spec = job.spec;
  if (!spec?.template || spec.manualSelector) return;
  const uid = job.metadata?.uid ?? '';
  const name = job.metadata?.name ?? '';
  const own = { 'controller-uid': uid, 'job-name': name, [uidLabel]: uid, [nameLabel]: name };
  spec.template.metadata = { ...spec.template.metadata, labels: { ...own, ...spec.template.metadata?.labels } };
  if (spec.selector?.matchLabels?.['controller-uid'] !== undefined) return;
  spec.selector = { ...spec.selector, matchLabels: { [uidLabel]: uid, ...spec.selector?.matchLabels } };
}

const hasCondition = (job: Job, type: string): boolean => (job.status?.conditions ?? []).some((c) => c.type === type && c.status === 'True');

/** A suspended job that has not started may still change where its pods go and what they need. */
function fixedTemplate(job: Job, old: Job): unknown {
  const unstarted = old.spec?.suspend === true && old.status?.startTime === undefined;
  const template = job.spec?.template;
  if (!unstarted || !template?.spec) return template;
  const { nodeSelector: _n, affinity: _a, tolerations: _t, schedulingGates: _g, ...spec } = template.spec;
  const { labels: _l, annotations: _x, ...metadata } = template.metadata ?? {};
  const containers = spec.containers.map(({ resources: _r, ...container }) => container);
  return { metadata, spec: { ...spec, containers } };
}

function validateJob(job: Job): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkJobSelector(job.spec, at.child('selector'));
    const labels = job.spec?.template?.metadata?.labels;
    if (job.spec?.selector && !isEmptySelector(job.spec.selector) && !selectorMatches(job.spec.selector, labels)) {
      at.child('template').child('metadata').child('labels').invalid(labels ?? null, '`selector` does not match template `labels`');
    }
    checkJobSpec(job.spec, at);
  });
}

const fixedFields: readonly (keyof JobSpec)[] = ['selector', 'completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'];

function validateUpdate(job: Job, old: Job): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    const { spec } = job;
    checkJobSpec(spec, at);
    const completions = { value: spec?.completions, old: old.spec?.completions };
    if (spec?.completionMode !== 'Indexed') checkImmutable(completions, at.child('completions'));
    else if (completions.value !== completions.old && spec.completions !== spec.parallelism) {
      at.child('completions').invalid(spec.completions, `can only be modified in tandem with parallelism`);
    }
    for (const name of fixedFields) checkImmutable({ value: spec?.[name], old: old.spec?.[name] }, at.child(name));
    if (!semanticEqual(fixedTemplate(job, old), fixedTemplate(old, old))) at.child('template').invalid(spec?.template, 'field is immutable');
  });
}

function validateStatusUpdate(job: Job, old: Job): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const status = job.status ?? {};
    for (const name of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) checkNonNegative(status[name], at.child(name));
    const finished = hasCondition(job, 'Complete') || hasCondition(job, 'Failed');
    if (finished && (status.active ?? 0) > 0) at.child('active').invalid(status.active, 'active>0 is invalid for finished job');
    if (hasCondition(job, 'Complete') && hasCondition(job, 'Failed')) at.child('conditions').invalid('', 'cannot set Complete=True and Failed=true conditions');
    if (status.completionTime !== undefined && !hasCondition(job, 'Complete')) at.child('completionTime').invalid(status.completionTime, 'cannot set completionTime when there is no Complete=True condition');
    for (const type of ['Complete', 'Failed', 'SuccessCriteriaMet', 'FailureTarget']) {
      if (hasCondition(old, type) && !hasCondition(job, type)) at.child('conditions').invalid('', `cannot disable the terminal ${type} condition`);
    }
  });
}

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function duration({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : nowMs;
  return humanDuration(end - Date.parse(status.startTime));
}

function state(job: Job): string {
  if (hasCondition(job, 'Complete')) return 'Complete';
  if (hasCondition(job, 'Failed')) return 'Failed';
  if (job.metadata?.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find((type) => hasCondition(job, type)) ?? 'Running';
}

export const jobKind = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  resource: 'jobs',
  namespaced: true,
  categories: ['all'],
  hasStatus: true,
  generation: 'spec',
  defaults: setDefaults,
  onCreate: generateSelector,
  validate: validateJob,
  validateUpdate,
  validateStatusUpdate,
  warnings: ({ spec }, old) => podSpecWarnings(spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
  selectableFields: ['status.successful'],
  selectable: ({ status }) => ({ 'status.successful': String(status?.succeeded ?? 0) }),
  defaultPropagation: 'Orphan',
  columns: [
    nameColumn,
    text('Status', state),
    text('Completions', completions),
    text('Duration', (job, { nowMs }) => duration(job, nowMs)),
    ageColumn,
    ...containerColumns<Job>(({ spec }) => spec?.template?.spec?.containers),
    wideText('Selector', ({ spec }) => formatSelector(spec?.selector)),
  ],
});
