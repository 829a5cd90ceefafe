import { describe, expect, it } from 'vitest';
import { cells, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { cronJobKind } from './cron-job.ts';
import { scheduleProblem } from './cron-schedule.ts';
import { jobKind } from './job.ts';

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } };
const spec = { template };
const cron = { schedule: '*/5 * * * *', jobTemplate: { spec } };

describe('jobs', () => {
  it('fill in what is left out', () => {
    expect(made(jobKind, { spec }).spec).toMatchObject({ completions: 1, parallelism: 1, backoffLimit: 6, completionMode: 'NonIndexed', suspend: false, manualSelector: false, podReplacementPolicy: 'TerminatingOrFailed' });
    expect(made(jobKind, { spec: { ...spec, parallelism: 2 } }).spec?.completions).toBeUndefined();
  });

  it('select their own pods', () => {
    const job = created(jobKind, { spec });
    expect(job.spec?.selector).toEqual({ matchLabels: { 'batch.kubernetes.io/controller-uid': 'u-1' } });
    expect(job.spec?.template.metadata?.labels).toEqual({ 'controller-uid': 'u-1', 'job-name': 'x', 'batch.kubernetes.io/controller-uid': 'u-1', 'batch.kubernetes.io/job-name': 'x' });
  });

  it.each([
    [spec, []],
    [{ template: { spec: { containers: [{ name: 'c', image: 'x' }] } } }, ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']],
    [{ ...spec, backoffLimit: -1 }, ['spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0']],
    [{ ...spec, completionMode: 'Indexed', parallelism: 1 }, ['spec.completions: Required value: when completion mode is Indexed']],
    [{ ...spec, manualSelector: true }, ['spec.selector: Required value', 'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`']],
    [{ ...spec, successPolicy: { rules: [{ succeededCount: 1 }] } }, ['spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode']],
  ])('%j', (wrong, expected) => expect(problems(jobKind, { spec: wrong })).toEqual(expected));

  it('keep their template and completions', () => {
    const old = created(jobKind, { spec });
    const next = { ...old, spec: { ...old.spec, completions: 2, template: { ...old.spec!.template, spec: { ...template.spec, containers: [{ name: 'c', image: 'y' }] } } } };
    expect(updateProblems(jobKind, { old, next }).map((line) => line.replace(/Invalid value: \{.*\}/, 'Invalid value: {}'))).toEqual([
      'spec.completions: Invalid value: 2: field is immutable',
      'spec.template: Invalid value: {}: field is immutable',
    ]);
  });

  it.each([
    [{ status: { startTime: '2026-01-01T00:05:00Z', active: 1 } }, ['Running', '0/1', '5m', '10m']],
    [{ status: { startTime: '2026-01-01T00:05:00Z', completionTime: '2026-01-01T00:05:07Z', succeeded: 1, conditions: [{ type: 'Complete', status: 'True' }] } }, ['Complete', '1/1', '7s', '10m']],
    [{ status: { conditions: [{ type: 'Suspended', status: 'True' }] } }, ['Suspended', '0/1', '', '10m']],
    [{ status: { conditions: [{ type: 'Failed', status: 'True' }] } }, ['Failed', '0/1', '', '10m']],
  ])('%j', (more, expected) => expect(cells(jobKind, { spec, ...more })).toEqual(expected));
});

describe('cron jobs', () => {
  it('fill in what is left out, but nothing of the job to come', () => {
    const object = made(cronJobKind, { spec: cron });
    expect(object.spec).toMatchObject({ concurrencyPolicy: 'Allow', suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 });
    expect(Object.keys(object.spec?.jobTemplate.spec ?? {})).toEqual(['template']);
    expect(object.spec?.jobTemplate.spec?.template.spec?.dnsPolicy).toBe('ClusterFirst');
  });

  it.each([
    [cron, []],
    [{ ...cron, schedule: '' }, ['spec.schedule: Required value']],
    [{ ...cron, schedule: '* * * *' }, ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]']],
    [{ ...cron, schedule: 'TZ=UTC * * * * *' }, ['spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead']],
    [{ ...cron, timeZone: 'Mars/Olympus' }, ['spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus']],
    [{ ...cron, concurrencyPolicy: 'Maybe' }, ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"']],
  ])('%j', (wrong, expected) => expect(problems(cronJobKind, { spec: wrong })).toEqual(expected));

  it('have names that leave room for the job’s', () => {
    const name = 'x'.repeat(53);
    expect(problems(cronJobKind, { metadata: { name }, spec: cron })).toEqual([`metadata.name: Invalid value: "${name}": must be no more than 52 characters`]);
  });

  it('show when they ran', () => {
    expect(cells(cronJobKind, { spec: cron, status: { active: [{}], lastScheduleTime: '2026-01-01T00:08:00Z' } })).toEqual(['*/5 * * * *', '<none>', 'False', 1, '2m', '10m']);
  });
});

it.each([
  ['0 0 1 jan mon', undefined],
  ['@hourly', undefined],
  ['@every 1h30m', undefined],
  ['@sometimes', 'unrecognized descriptor: @sometimes'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
])('schedule %s', (schedule, expected) => expect(scheduleProblem(schedule)).toBe(expected));
