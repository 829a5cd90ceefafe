import type { FieldError } from '@orrery/errors';
import type { CronJob } from '../../../gen/types.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, containerColumns, flag, formatSelector, integer, nameColumn, text, wideText } from '../../printing/columns.ts';
import { since } from '../../printing/duration.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkAnnotations, checkLabels, checkNonNegative } from '../../validation/fields.ts';
import { isTimeZone, scheduleProblem } from './cron-schedule.ts';
import { checkJobSpec } from './job/job-spec.ts';

function setDefaults({ spec }: CronJob): void {
  if (!spec) return;
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  // Of the job only the pod template is defaulted here; the rest is when the job is created.
  defaultPodTemplate(spec.jobTemplate?.spec?.template);
}

function checkSchedule(schedule: string | undefined, { timeZone, at }: { timeZone: string | undefined; at: FieldPath }): void {
  if (!schedule) return at.required();
  const problem = schedule.includes('TZ') ? undefined : scheduleProblem(schedule);
  if (problem) at.invalid(schedule, problem);
  if (!schedule.includes('TZ')) return;
  const detail = timeZone === undefined
    ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
    : 'cannot use both timeZone field and TZ or CRON_TZ in schedule';
  at.invalid(schedule, detail);
}

function checkTimeZone(timeZone: string | undefined, at: FieldPath): void {
  if (timeZone === undefined) return;
  if (timeZone === '') at.invalid(timeZone, 'timeZone must be nil or non-empty string');
  else if (timeZone.toLowerCase() === 'local') at.invalid(timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  else if (!isTimeZone(timeZone)) at.invalid(timeZone, `unknown time zone ${timeZone}`);
}

function checkSpec({ spec, metadata }: CronJob, { root, isNew }: { root: FieldPath; isNew: boolean }): void {
  const at = root.child('spec');
  const name = metadata?.name ?? '';
  if (isNew && name.length > 52) root.child('metadata').child('name').invalid(name, 'must be no more than 52 characters');
  checkSchedule(spec?.schedule, { timeZone: spec?.timeZone, at: at.child('schedule') });
  checkNonNegative(spec?.startingDeadlineSeconds, at.child('startingDeadlineSeconds'));
  checkTimeZone(spec?.timeZone, at.child('timeZone'));
  at.child('concurrencyPolicy').requiredOneOf(spec?.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  const template = at.child('jobTemplate');
  checkLabels(spec?.jobTemplate?.metadata?.labels, template.child('labels'));
  checkAnnotations(spec?.jobTemplate?.metadata?.annotations, template.child('annotations'));
  checkJobSpec(spec?.jobTemplate?.spec, template.child('spec'));
  checkNonNegative(spec?.successfulJobsHistoryLimit, at.child('successfulJobsHistoryLimit'));
  checkNonNegative(spec?.failedJobsHistoryLimit, at.child('failedJobsHistoryLimit'));
}

const podSpec = (cron: CronJob | undefined): NonNullable<Parameters<typeof podSpecWarnings>[0]> | undefined => cron?.spec?.jobTemplate?.spec?.template?.spec;
const validate = (isNew: boolean) => (cron: CronJob): FieldError[] => findProblems((root) => checkSpec(cron, { root, isNew }));

export const cronJobKind = defineKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  resource: 'cronjobs',
  namespaced: true,
  shortNames: ['cj'],
  categories: ['all'],
  hasStatus: true,
  generation: 'spec',
  defaults: setDefaults,
  validate: validate(true),
  validateUpdate: validate(false),
  warnings: (cron, old) => podSpecWarnings(podSpec(cron), { old: podSpec(old), path: 'spec.jobTemplate.spec.template.spec' }),
  columns: [
    nameColumn,
    text('Schedule', ({ spec }) => spec?.schedule ?? ''),
    text('Timezone', ({ spec }) => spec?.timeZone ?? '<none>'),
    flag('Suspend', ({ spec }) => (spec?.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False')),
    integer('Active', ({ status }) => (status?.active ?? []).length),
    text('Last Schedule', ({ status }, { nowMs }) => (status?.lastScheduleTime ? since(status.lastScheduleTime, nowMs) : '<none>')),
    ageColumn,
    ...containerColumns<CronJob>((cron) => podSpec(cron)?.containers),
    wideText('Selector', ({ spec }) => formatSelector(spec?.jobTemplate?.spec?.selector)),
  ],
});
