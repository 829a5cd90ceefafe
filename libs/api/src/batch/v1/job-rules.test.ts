import { describe, expect, it } from 'vitest';
import { created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { cronJobKind } from './cron-job.ts';
import { jobKind } from './job.ts';
import { firstCommonIndex, readIndexes } from './job/indexes.ts';

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } };
const spec = { template };
const indexed = { ...spec, completionMode: 'Indexed', completions: 5, parallelism: 5 };
const rule = (more: object): object => ({ ...spec, podFailurePolicy: { rules: [{ action: 'FailJob', ...more }] } });
const codes = (more: object): object => rule({ onExitCodes: { operator: 'In', values: [1], ...more } });
const at = 'spec.podFailurePolicy.rules[0]';

it.each<[string, object, string[]]>([
  ['an unknown mode', { ...spec, completionMode: 'Odd' }, ['spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"']],
  ['limits of indexes without indexes', { ...spec, backoffLimitPerIndex: 1, maxFailedIndexes: 1 }, ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode', 'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode']],
  ['failed indexes alone', { ...indexed, maxFailedIndexes: 1 }, ['spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified']],
  ['more failures than indexes', { ...indexed, backoffLimitPerIndex: 1, maxFailedIndexes: 6 }, ['spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions']],
  ['very many completions', { ...indexed, completions: 100_001, parallelism: 10_001, backoffLimitPerIndex: 1 }, [
    'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
    'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
  ]],
  ['very much parallelism', { ...indexed, parallelism: 100_001 }, ['spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed']],
  ['a manager', { ...spec, managedBy: 'example.com/jobs' }, []],
  ['a manager without a domain', { ...spec, managedBy: 'jobs' }, ['spec.managedBy: Invalid value: "jobs": must be a domain-prefixed path (such as "acme.io/foo")']],
  ['exit codes', codes({ values: [1, 2] }), []],
  ['no action', rule({ action: '', onExitCodes: { operator: 'In', values: [1] } }), [`${at}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`]],
  ['FailIndex without a limit', rule({ action: 'FailIndex', onExitCodes: { operator: 'In', values: [1] } }), [`${at}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`]],
  ['zero in In', codes({ values: [0] }), [`${at}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`]],
  ['codes out of order, and twice', codes({ values: [2, 1, 2] }), [`${at}.onExitCodes.values[2]: Duplicate value: 2`, `${at}.onExitCodes.values: Invalid value: [2,1,2]: must be ordered`]],
  ['a stranger', codes({ containerName: 'd' }), [`${at}.onExitCodes.containerName: Invalid value: "d": must be one of the container or initContainer names in the pod template`]],
  ['both', rule({ onExitCodes: { operator: 'In', values: [1] }, onPodConditions: [{ type: 'A', status: 'True' }] }), [`${at}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`]],
  ['neither', rule({}), [`${at}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`]],
  ['an odd status', rule({ onPodConditions: [{ type: 'A', status: 'Maybe' }] }), [`${at}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`]],
  ['replacement beside a policy', { ...codes({}), podReplacementPolicy: 'TerminatingOrFailed' }, ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"']],
  ['restarts beside a policy', { ...codes({}), template: { spec: { ...template.spec, restartPolicy: 'OnFailure' } } }, ['spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified']],
  ['success', { ...indexed, successPolicy: { rules: [{ succeededIndexes: '0,2-4', succeededCount: 3 }] } }, []],
  ['success without rules', { ...indexed, successPolicy: { rules: [] } }, ['spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified']],
  ['success of nothing', { ...indexed, successPolicy: { rules: [{}] } }, ['spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified']],
  ['indexes that are not there', { ...indexed, successPolicy: { rules: [{ succeededIndexes: '5' }] } }, ['spec.successPolicy.rules[0].succeededIndexes: Invalid value: "5": error parsing succeededIndexes: too large index: "5"']],
  ['more successes than indexes', { ...indexed, successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 3 }] } }, [
    'spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)',
  ]],
  ['labels of another job', { template: { ...template, metadata: { labels: { 'job-name': 'y' } } } }, [
    'spec.template.metadata.labels[job-name]: Invalid value: {"controller-uid":"u-1","job-name":"y","batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"x"}: must be \'x\'',
  ]],
  ['a selector of its own', { ...spec, selector: { matchLabels: { a: 'b' } } }, [
    'spec.selector: Invalid value: {"matchLabels":{"batch.kubernetes.io/controller-uid":"u-1","a":"b"}}: `selector` not auto-generated',
    'spec.template.metadata.labels: Invalid value: {"controller-uid":"u-1","job-name":"x","batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"x"}: `selector` does not match template `labels`',
  ]],
])('a job with %s', (_, wrong, expected) => expect(problems(jobKind, { spec: wrong })).toEqual(expected));

describe('updates of jobs', () => {
  const old = created(jobKind, { spec: { ...spec, suspend: true } });
  const moved = { ...old, spec: { ...old.spec, template: { ...old.spec!.template, spec: { ...template.spec, nodeSelector: { a: 'b' }, affinity: { nodeAffinity: {} }, containers: [{ name: 'c', image: 'x', resources: { limits: { cpu: '1' } } }] } } } };

  it('may move what is suspended and has not started', () => expect(updateProblems(jobKind, { old, next: moved })).toEqual([]));

  it('leave running jobs where they are', () => {
    const running = { ...old, spec: { ...old.spec, suspend: false } };
    expect(updateProblems(jobKind, { old: running, next: { ...moved, spec: { ...moved.spec, suspend: false } } })[0]).toMatch(/^spec\.template: Invalid value: .*: field is immutable$/);
  });

  it('scale indexed jobs by both numbers', () => {
    const before = created(jobKind, { spec: indexed });
    const scaled = (more: object): object => ({ ...before, spec: { ...before.spec, ...more } });
    expect(updateProblems(jobKind, { old: before, next: scaled({ completions: 3, parallelism: 3 }) })).toEqual([]);
    expect(updateProblems(jobKind, { old: before, next: scaled({ completions: 3 }) })).toEqual(['spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism']);
  });
});

const startTime = '2026-01-01T00:01:00Z';
const completionTime = '2026-01-01T00:02:00Z';
const condition = (type: string): object => ({ type, status: 'True' });
const done = { startTime, completionTime, succeeded: 1, conditions: [condition('SuccessCriteriaMet'), condition('Complete')] };

function statusProblems(before: object, after: object, of: object = spec): string[] {
  const old = { ...created(jobKind, { spec: of }), status: before } as never;
  const next = { ...made(jobKind, created(jobKind, { spec: of })), status: after } as never;
  return jobKind.validateStatusUpdate(next, old).map(({ field, message }) => `${field}: ${message}`);
}

it.each<[string, object, object, string[]]>([
  ['success', { startTime, active: 1 }, done, []],
  ['an early end', {}, { ...done, startTime: undefined }, ['status.startTime: Required value: startTime is required for finished job']],
  ['an end without time', { startTime }, { ...done, completionTime: undefined }, ['status.completionTime: Required value: completionTime is required for Complete jobs']],
  ['an end before the start', { startTime: completionTime }, { ...done, startTime: completionTime, completionTime: startTime }, [`status.completionTime: Invalid value: "${startTime}": completionTime cannot be set before startTime`]],
  ['time without an end', { startTime }, { startTime, completionTime }, [`status.completionTime: Invalid value: "${completionTime}": cannot set completionTime when there is no Complete=True condition`]],
  ['success that was not announced', { startTime }, { ...done, conditions: [condition('Complete')] }, ['status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition']],
  ['failure that was not announced', { startTime }, { startTime, conditions: [condition('Failed')] }, ['status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition']],
  ['pods that go on', { startTime, active: 1 }, { ...done, active: 1 }, ['status.active: Invalid value: 1: active>0 is invalid for finished job']],
  ['an end that is taken back', done, { ...done, conditions: [condition('SuccessCriteriaMet')] }, [
    `status.completionTime: Invalid value: "${completionTime}": cannot set completionTime when there is no Complete=True condition`, 'status.conditions: Invalid value: cannot disable the terminal Complete=True condition',
  ]],
  ['fewer failures', { failed: 2 }, { failed: 1 }, ['status.failed: Invalid value: 1: cannot decrease the failed counter']],
  ['fewer successes', { succeeded: 2 }, { succeeded: 1 }, ['status.succeeded: Invalid value: 1: cannot decrease the succeeded counter']],
  ['another start', { startTime }, { startTime: completionTime }, ['status.startTime: Required value: startTime cannot be removed for unsuspended job']],
  ['another start of a job that goes on', { startTime, conditions: [condition('Suspended')] }, { startTime: completionTime, conditions: [{ ...condition('Suspended'), status: 'False' }] }, []],
  ['more ready than active', {}, { ready: 2, active: 1 }, ['status.ready: Invalid value: 2: cannot set more ready pods than active']],
  ['a pod counted twice', {}, { uncountedTerminatedPods: { succeeded: ['a'], failed: ['a', ''] } }, ['status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"', 'status.uncountedTerminatedPods.failed[1]: Invalid value: "": must not be empty']],
  ['indexes of a job without', {}, { completedIndexes: '0' }, ['status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode']],
  ['what was wrong before', { ready: 2, active: 1 }, { ready: 2, active: 1, succeeded: 1 }, []],
])('a status with %s', (_, before, after, expected) => expect(statusProblems(before, after)).toEqual(expected));

it('failed and completed indexes keep apart', () => {
  expect(statusProblems({}, { completedIndexes: '0-2', failedIndexes: '2' }, { ...indexed, backoffLimitPerIndex: 1 })).toEqual(['status.failedIndexes: Invalid value: "2": failedIndexes and completedIndexes overlap at index: 2']);
  expect([firstCommonIndex('0,4-6', '1-3,7', 10), firstCommonIndex('0,4-6', 'x,5', 10)]).toEqual([undefined, 5]);
});

it.each([
  ['', { total: 0 }],
  ['0,2-4,6', { total: 5 }],
  ['1-2-3', { problem: 'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by \'-\'' }],
  ['a', { problem: 'cannot convert string to integer for index: "a"' }],
  ['3-2', { problem: 'non-increasing order, previous: 3, current: 2' }],
  ['1-3,3', { problem: 'non-increasing order, previous: 3, current: 3' }],
  ['9-10', { problem: 'too large index: "10"' }],
])('indexes %s', (text, expected) => expect(readIndexes(text, 10)).toEqual(expected));

const cron = { schedule: '*/5 * * * *', jobTemplate: { spec } };

it.each<[string, object, string[]]>([
  ['a selector', { ...cron, jobTemplate: { spec: { ...spec, selector: { matchLabels: { a: 'b' } } } } }, ['spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated']],
  ['a manual selector', { ...cron, jobTemplate: { spec: { ...spec, manualSelector: true } } }, ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"']],
  ['a local zone', { ...cron, timeZone: 'Local' }, ['spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones']],
  ['a zone that climbs', { ...cron, timeZone: '../etc/passwd' }, ['spec.timeZone: Invalid value: "../etc/passwd": unknown time zone ../etc/passwd']],
  ['no zone', { ...cron, timeZone: '' }, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
  ['a zone in the schedule', { ...cron, schedule: 'CRON_TZ=Europe/Berlin 0 * * * *' }, ['spec.schedule: Invalid value: "CRON_TZ=Europe/Berlin 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead']],
])('a cron job with %s', (_, wrong, expected) => expect(problems(cronJobKind, { spec: wrong })).toEqual(expected));

it('a zone in the schedule stays where it was', () => {
  const old = { spec: { ...cron, schedule: 'TZ=UTC 0 * * * *' } };
  expect(updateProblems(cronJobKind, { old, next: { spec: { ...old.spec, suspend: true } } })).toEqual([]);
  expect(updateProblems(cronJobKind, { old, next: { spec: { ...old.spec, timeZone: 'UTC' } } })).toEqual(['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule']);
});

it('warns of names that are no labels and of jobs too big to track', () => {
  const job = made(jobKind, { metadata: { name: 'a.b' }, spec: { ...indexed, completions: 100_001, parallelism: 10_001 } });
  expect(jobKind.warnings(job, undefined).map((line) => line.split(':')[0])).toEqual(['metadata.name', 'spec']);
});
