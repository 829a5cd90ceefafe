import type { FieldError } from '@orrery/errors';
import type { Job, JobSpec } from '../../../gen/types.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, containerColumns, formatSelector, nameColumn, text, wideText } from '../../printing/columns.ts';
import { humanDuration } from '../../printing/duration.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { selectorMatches } from '../../validation/label-selector.ts';
import { dns1123Label } from '../../validation/names.ts';
import { podNameWarnings } from '../../validation/pod-names.ts';
import { checkJobSpec, defaultJobSpec } from './job/job-spec.ts';
import { isConditionTrue as hasCondition, validateJobStatus } from './job/status-validation.ts';

const uidLabel = 'batch.kubernetes.io/controller-uid';
const nameLabel = 'batch.kubernetes.io/job-name';

function setDefaults(job: Job): void {
  if (!job.spec) return;
  const labels = job.spec.template?.metadata?.labels;
  if (Object.keys(job.metadata?.labels ?? {}).length === 0 && labels) job.metadata = { ...job.metadata, labels: { ...labels } };
  defaultJobSpec(job.spec);
}

/** Labels that every pod of a job has: the plain names are from before there were prefixes. */
function ownLabels({ metadata }: Job): Record<string, string> {
  const { uid = '', name = '' } = metadata ?? {};
  return { 'controller-uid': uid, 'job-name': name, [uidLabel]: uid, [nameLabel]: name };
}

/** Jobs select their own pods by the job's uid. Labels that contradict are left to validation. */
function generateSelector(job: Job): void {
  const spec = job.spec;
  if (!spec?.template || spec.manualSelector) return;
  spec.template.metadata = { ...spec.template.metadata, labels: { ...ownLabels(job), ...spec.template.metadata?.labels } };
  spec.selector = { ...spec.selector, matchLabels: { [uidLabel]: job.metadata?.uid ?? '', ...spec.selector?.matchLabels } };
}

/** Jobs from before the prefixed labels do without them. */
function checkGenerated(job: Job, { root, old }: { root: FieldPath; old?: Job }): void {
  const { spec, metadata } = job;
  if (!spec?.selector || spec.manualSelector) return;
  if (!metadata?.uid) root.child('metadata').child('uid').required();
  const labels = spec.template?.metadata?.labels;
  const before = old?.spec?.template?.metadata?.labels;
  const isPrefixed = !old || (before?.[nameLabel] !== undefined && before[uidLabel] !== undefined);
  const expected = Object.fromEntries(Object.entries(ownLabels(job)).filter(([key]) => isPrefixed || !key.includes('/')));
  for (const [key, value] of Object.entries(expected)) {
    const at = root.child('spec').child('template').child('metadata').child('labels').at(key);
    if (labels?.[key] === undefined) at.required(`must be '${value}'`);
    else if (labels[key] !== value) at.invalid(labels, `must be '${value}'`);
  }
  if (!selectorMatches(spec.selector, expected)) root.child('spec').child('selector').invalid(spec.selector, '`selector` not auto-generated');
}

/** The pod with the last index gets its number into its hostname. */
function checkLastName({ metadata, spec }: Job, root: FieldPath): void {
  const { completions = 0, completionMode } = spec ?? {};
  if (completionMode !== 'Indexed' || completions <= 0) return;
  const last = `${metadata?.name ?? ''}-${completions - 1}`;
  if (dns1123Label(last).length > 0) root.child('metadata').child('name').invalid(metadata?.name, `will not able to create pod with invalid DNS label: ${last}`);
}

/** A suspended job that has not started may still change where its pods go and what they need. */
function fixedTemplate(job: Job, old: Job): unknown {
  const unstarted = old.spec?.suspend === true && old.status?.startTime === undefined;
  const template = job.spec?.template;
  if (!unstarted || !template?.spec) return template;
  const { nodeSelector: _n, affinity, tolerations: _t, schedulingGates: _g, ...spec } = template.spec;
  const { nodeAffinity: _a, ...others } = affinity ?? {};
  const { labels: _l, annotations: _x, ...metadata } = template.metadata ?? {};
  const bare = (containers: typeof spec.containers | undefined): unknown => (containers ?? []).map(({ resources: _r, ...container }) => container);
  return { metadata, spec: { ...spec, affinity: Object.keys(others).length > 0 ? others : undefined, containers: bare(spec.containers), initContainers: bare(spec.initContainers) } };
}

function checkJob(job: Job, { root, old }: { root: FieldPath; old?: Job }): void {
  checkGenerated(job, old ? { root, old } : { root });
  checkJobSpec(job.spec, root.child('spec'));
  checkLastName(job, root);
}

const fixedFields: readonly (keyof JobSpec)[] = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'];

function validateUpdate(job: Job, old: Job): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    const { spec } = job;
    checkJob(job, { root, old });
    const completions = { value: spec?.completions, old: old.spec?.completions };
    if (spec?.completionMode !== 'Indexed') checkImmutable(completions, at.child('completions'));
    else if (completions.value !== undefined && completions.value !== completions.old && completions.value !== spec.parallelism) {
      at.child('completions').invalid(spec.completions, 'can only be modified in tandem with spec.parallelism');
    }
    checkImmutable({ value: spec?.selector, old: old.spec?.selector }, at.child('selector'));
    if (!semanticEqual(fixedTemplate(job, old), fixedTemplate(old, old))) at.child('template').invalid(spec?.template, 'field is immutable');
    for (const name of fixedFields) checkImmutable({ value: spec?.[name], old: old.spec?.[name] }, at.child(name));
  });
}

const manyCompletions = 100_000;
const muchParallelism = 10_000;

function specWarnings({ completionMode, completions = 0, parallelism = 0 }: Partial<JobSpec>): string[] {
  if (completionMode !== 'Indexed' || completions <= manyCompletions || parallelism <= muchParallelism) return [];
  return ['spec: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail'];
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
  validate: (job) => findProblems((root) => checkJob(job, { root })),
  validateUpdate,
  validateStatusUpdate: validateJobStatus,
  warnings: (job, old) => [
    ...(old ? [] : podNameWarnings(job.metadata?.name)),
    ...specWarnings(job.spec ?? {}),
    ...podSpecWarnings(job.spec?.template?.spec, { old: old?.spec?.template?.spec, path: 'spec.template.spec' }),
  ],
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
