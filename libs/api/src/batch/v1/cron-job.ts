import type { FieldError } from '@orrery/errors';
import type { CronJob } from '../../../gen/types.ts';
import { defaultPodTemplate } from '../../core/v1/pod-template/defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, containerColumns, flag, formatSelector, integer, nameColumn, text, wideText } from '../../printing/columns.ts';
import { since } from '../../printing/duration.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkNonNegative } from '../../validation/fields.ts';
import { podNameWarnings } from '../../validation/pod-names.ts';
import { isTimeZone, scheduleProblem } from './cron-schedule.ts';
import { checkJobTemplate } from './job/job-spec.ts';

function setDefaults({ spec }: CronJob): void {
  if (!spec) return;
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  // Of the job only the pod template is defaulted here; the rest is when the job is created.
  defaultPodTemplate(spec.jobTemplate?.spec?.template);
}

/** Time zones in schedules are from before there was a field; those that were stored with one keep working. */
function checkSchedule(schedule: string | undefined, { timeZone, at, old }: { timeZone: string | undefined; at: FieldPath; old: string | undefined }): void {
  if (!schedule) return at.required();
  const problem = scheduleProblem(schedule);
  if (problem !== undefined) at.invalid(schedule, problem);
  if (!schedule.includes('TZ')) return;
  if (!old?.includes('TZ')) at.invalid(schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
  else if (timeZone !== undefined) at.invalid(schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule');
}

function checkTimeZone(timeZone: string | undefined, at: FieldPath): void {
  if (timeZone === undefined) return;
  if (timeZone === '') return at.invalid(timeZone, 'timeZone must be nil or non-empty string');
  const isOdd = timeZone.split('/').some((part) => part === '.' || part === '..' || part.startsWith('-') || !/^[A-Za-z.\-_0-9+]{1,14}$/.test(part));
  if (isOdd) return at.invalid(timeZone, `unknown time zone ${timeZone}`);
  if (timeZone.toLowerCase() === 'local') at.invalid(timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  if (timeZone !== 'Local' && !isTimeZone(timeZone)) at.invalid(timeZone, `unknown time zone ${timeZone}`);
}

const maxNameLength = 52;

function checkSpec({ spec }: CronJob, { at, old }: { at: FieldPath; old: CronJob | undefined }): void {
  checkSchedule(spec?.schedule, { timeZone: spec?.timeZone, at: at.child('schedule'), old: old?.spec?.schedule });
  checkNonNegative(spec?.startingDeadlineSeconds, at.child('startingDeadlineSeconds'));
  if (!old || old.spec?.timeZone !== spec?.timeZone) checkTimeZone(spec?.timeZone, at.child('timeZone'));
  const policy = spec?.concurrencyPolicy;
  if (!policy) at.child('concurrencyPolicy').required();
  else at.child('concurrencyPolicy').oneOf(policy, ['Allow', 'Forbid', 'Replace']);
  checkJobTemplate(spec?.jobTemplate ?? {}, at.child('jobTemplate'));
  checkNonNegative(spec?.successfulJobsHistoryLimit, at.child('successfulJobsHistoryLimit'));
  checkNonNegative(spec?.failedJobsHistoryLimit, at.child('failedJobsHistoryLimit'));
}

function validate(cron: CronJob): FieldError[] {
  return findProblems((root) => {
    checkSpec(cron, { at: root.child('spec'), old: undefined });
    const name = cron.metadata?.name ?? '';
    if (name.length > maxNameLength) root.child('metadata').child('name').invalid(name, `must be no more than ${maxNameLength} characters`);
  });
}

function warnings(cron: CronJob, old: CronJob | undefined): string[] {
  return [
    ...(old ? [] : podNameWarnings(cron.metadata?.name)),
    ...podSpecWarnings(podSpec(cron), { old: podSpec(old), path: 'spec.jobTemplate.spec.template.spec' }),
    ...(cron.spec?.schedule?.includes('TZ') ? ['CRON_TZ or TZ used in spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details'] : []),
  ];
}

const podSpec = (cron: CronJob | undefined): NonNullable<Parameters<typeof podSpecWarnings>[0]> | undefined => cron?.spec?.jobTemplate?.spec?.template?.spec;

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
  validate,
  validateUpdate: (cron, old) => findProblems((root) => checkSpec(cron, { at: root.child('spec'), old })),
  warnings,
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
