import { Events, Jobs, Pods } from '@orrery/api';
import type { Job, JobSpec, Pod } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';
import { matchFailurePolicy } from './failure-policy.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';

const job = (spec: Partial<JobSpec> = {}): Job => ({
  metadata: { name: 'j', namespace: 'a' },
  spec: { selector: { matchLabels: { job: 'j' } }, template: { metadata: { labels: { job: 'j' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } }, completions: 1, parallelism: 1, backoffLimit: 6, ...spec },
});
const status = (h: Harness) => h.api.find(Jobs, 'j', 'a')?.status;
const conditions = (h: Harness) => status(h)?.conditions?.map((c) => `${c.type}=${c.status} ${c.reason}`);
const live = (h: Harness): Pod[] => h.api.objects(Pods).filter((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && !pod.metadata?.deletionTimestamp);
const end = (h: Harness, pod: Pod | undefined, phase: string, exitCode = 0) =>
  h.api.setStatus(Pods, { namespace: 'a', name: pod?.metadata?.name ?? '' }, { phase, containerStatuses: [{ name: 'c', state: { terminated: { exitCode, finishedAt: new Date(h.clock.now()).toISOString() } } }] });

test.each([
  ['', []],
  ['0', [0]],
  ['0,1', [0, 1]],
  ['1,3-5,7', [1, 3, 4, 5, 7]],
])('indexes %j', (text, indexes) => {
  expect(formatIndexes(indexes)).toBe(text);
  expect([...parseIndexes(text, 10)]).toEqual(indexes);
});

test('a Job runs its pods, counts each once, and ends', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ completions: 5, parallelism: 2 }));
  await h.clock.advance(500);
  expect(live(h)).toHaveLength(2);
  expect(h.api.objects(Pods)[0]?.metadata?.finalizers).toEqual(['batch.kubernetes.io/job-tracking']);
  expect(status(h)).toMatchObject({ active: 2, ready: 0, startTime: '2026-01-01T00:00:00Z' });
  for (let i = 0; i < 5; i++) {
    end(h, live(h)[0], 'Succeeded');
    await h.clock.advance(500);
    expect(status(h)?.succeeded).toBe(i + 1);
  }
  expect(h.api.objects(Pods).every((pod) => !pod.metadata?.finalizers?.length)).toBe(true);
  expect(conditions(h)).toEqual(['SuccessCriteriaMet=True CompletionsReached', 'Complete=True CompletionsReached']);
  expect(status(h)).toMatchObject({ succeeded: 5, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  expect(status(h)?.active).toBeUndefined();
  expect(h.api.objects(Events).at(-1)).toMatchObject({ reason: 'Completed', message: 'Job completed' });
  expect(h.complaints).toEqual([]);
});

test('a pod that matches no longer is let go with its finalizer; one whose Job was deleted without it may go, too', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ completions: 2, parallelism: 2 }));
  await h.clock.advance(500);
  const [left, kept] = live(h).map(({ metadata }) => ({ namespace: 'a', name: metadata?.name ?? '' }));
  const type = 'application/merge-patch+json';
  await h.api.patch(Pods, left!, { metadata: { labels: null } }, { type });
  await h.clock.advance(500);
  const released = h.api.find(Pods, left!.name, 'a');
  expect(released?.metadata?.ownerReferences ?? []).toEqual([]);
  expect(released?.metadata?.finalizers ?? []).toEqual([]);
  await h.api.delete(Jobs, { namespace: 'a', name: 'j' }, { propagationPolicy: 'Orphan' });
  await h.clock.advance(5_000);
  expect(h.api.find(Jobs, 'j', 'a')).toBeUndefined();
  expect(h.api.find(Pods, kept!.name, 'a')?.metadata).toMatchObject({ finalizers: ['batch.kubernetes.io/job-tracking'] });
  await h.api.delete(Pods, kept!, { gracePeriodSeconds: 0 });
  await h.clock.advance(5_000);
  expect(h.api.find(Pods, kept!.name, 'a')).toBeUndefined();
  expect(h.complaints).toEqual([]);
});

test('what happened to Jobs is counted under upstream\'s names', async () => {
  const h = await startManager({ controllers: ['job-controller'] });
  const policy = { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }] };
  await h.api.create(Jobs, job({ podFailurePolicy: policy, parallelism: 2, completions: 2 }));
  await h.api.create(Jobs, { ...job({ managedBy: 'example.com/queue' }), metadata: { name: 'theirs', namespace: 'a' } });
  await h.clock.advance(500);
  end(h, live(h)[0], 'Succeeded');
  await h.clock.advance(500);
  end(h, live(h)[0], 'Failed', 42);
  await h.clock.advance(500);
  const lines = h.metrics().split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'job_controller_jobs_finished_total{completion_mode="NonIndexed",reason="PodFailurePolicy",result="failed"} 1',
      'job_controller_job_pods_finished_total{completion_mode="NonIndexed",result="succeeded"} 1',
      'job_controller_job_pods_finished_total{completion_mode="NonIndexed",result="failed"} 1',
      'job_controller_pod_failures_handled_by_failure_policy_total{action="FailJob"} 1',
      'job_controller_job_pods_creation_total{reason="new",status="succeeded"} 2',
      'job_controller_terminated_pods_tracking_finalizer_total{event="add"} 2',
      'job_controller_terminated_pods_tracking_finalizer_total{event="delete"} 2',
      'job_controller_jobs_by_external_controller_total{controller_name="example.com/queue"} 1',
    ]),
  );
  expect(lines.some((line) => line.startsWith('workqueue_adds_total{name="job"}'))).toBe(true);
});

test('failures back off, then exceed the limit: FailureTarget comes before Failed', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ backoffLimit: 1, parallelism: 1 }));
  await h.clock.advance(500);
  end(h, live(h)[0], 'Failed', 1);
  await h.clock.advance(9_000);
  expect([live(h).length, status(h)?.failed]).toEqual([0, 1]);
  await h.clock.advance(2_000);
  expect(live(h)).toHaveLength(1);
  end(h, live(h)[0], 'Failed', 1);
  await h.clock.advance(500);
  expect(conditions(h)).toEqual(['FailureTarget=True BackoffLimitExceeded', 'Failed=True BackoffLimitExceeded']);
  expect(status(h)).toMatchObject({ failed: 2 });
  await h.clock.advance(60_000);
  expect(h.api.objects(Pods)).toHaveLength(2);
});

test('a deadline ends a Job only when its pods are gone', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ activeDeadlineSeconds: 30 }));
  await h.clock.advance(500);
  const [pod] = live(h);
  h.api.seed(Pods, { ...pod, spec: { containers: [], nodeName: 'n' } });
  await h.clock.advance(30_000);
  expect(conditions(h)).toEqual(['FailureTarget=True DeadlineExceeded']);
  await h.reap();
  await h.clock.advance(500);
  expect(conditions(h)).toEqual(['FailureTarget=True DeadlineExceeded', 'Failed=True DeadlineExceeded']);
  expect(status(h)?.failed).toBe(1);
});

test('an indexed Job runs every index once; its pods carry their index', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ completions: 4, parallelism: 4, completionMode: 'Indexed' }));
  await h.clock.advance(500);
  const byIndex = (i: number) => live(h).find((pod) => pod.metadata?.annotations?.['batch.kubernetes.io/job-completion-index'] === String(i));
  expect(byIndex(2)).toMatchObject({ metadata: { generateName: 'j-2-' }, spec: { hostname: 'j-2', containers: [{ env: [{ name: 'JOB_COMPLETION_INDEX' }] }] } });
  for (const i of [0, 2, 3]) end(h, byIndex(i), 'Succeeded');
  end(h, byIndex(1), 'Failed', 3);
  await h.clock.advance(1_000);
  expect(status(h)).toMatchObject({ completedIndexes: '0,2,3', succeeded: 3, failed: 1 });
  await h.clock.advance(15_000);
  expect(live(h).map((pod) => pod.metadata?.generateName)).toEqual(['j-1-']);
  end(h, byIndex(1), 'Succeeded');
  await h.clock.advance(1_000);
  expect(status(h)?.completedIndexes).toBe('0-3');
  expect(conditions(h)?.at(-1)).toBe('Complete=True CompletionsReached');
});

test('with a limit per index each index backs off and fails alone; its pods carry how often it failed', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ completions: 3, parallelism: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1, backoffLimit: 2_147_483_647, maxFailedIndexes: 2 }));
  const of = (i: number) => live(h).find((pod) => pod.metadata?.generateName === `j-${i}-`);
  const failures = (i: number) => of(i)?.metadata?.annotations?.['batch.kubernetes.io/job-index-failure-count'];
  await h.clock.advance(500);
  expect([failures(0), failures(1)]).toEqual(['0', '0']);
  end(h, of(1), 'Failed', 1);
  await h.clock.advance(500);
  expect(h.api.objects(Pods).find((pod) => pod.status?.phase === 'Failed')?.metadata?.finalizers).toHaveLength(1);
  await h.api.delete(Pods, { namespace: 'a', name: of(2)?.metadata?.name ?? '' });
  await h.clock.advance(11_000);
  expect([failures(0), failures(1), failures(2)]).toEqual(['0', '1', '1']);
  expect(status(h)?.failed).toBe(2);
  end(h, of(1), 'Failed', 1);
  for (const i of [0, 2]) end(h, of(i), 'Succeeded');
  await h.clock.advance(30_000);
  expect(status(h)).toMatchObject({ completedIndexes: '0,2', failedIndexes: '1', failed: 3, succeeded: 2 });
  expect(conditions(h)).toEqual(['FailureTarget=True FailedIndexes', 'Failed=True FailedIndexes']);
  expect(h.api.objects(Pods).every((pod) => !pod.metadata?.finalizers?.length)).toBe(true);
});

test('under podReplacementPolicy Failed an index waits until its pod has ended', async () => {
  const h = await startManager({ controllers: ['job-controller'] });
  await h.api.create(Jobs, job({ completions: 2, parallelism: 2, completionMode: 'Indexed', podReplacementPolicy: 'Failed' }));
  await h.clock.advance(500);
  const [first] = live(h);
  await h.api.delete(Pods, { namespace: 'a', name: first?.metadata?.name ?? '' });
  await h.clock.advance(30_000);
  expect([live(h).length, status(h)?.terminating]).toEqual([1, 1]);
  end(h, first, 'Failed', 1);
  await h.clock.advance(30_000);
  expect(live(h)).toHaveLength(2);
});

test('suspending deletes pods without counting them; resuming starts the clock anew', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ parallelism: 2, completions: 2, suspend: true }));
  await h.clock.advance(500);
  expect([h.api.objects(Pods).length, status(h)?.startTime, conditions(h)]).toEqual([0, undefined, ['Suspended=True JobSuspended']]);
  const suspend = (value: boolean) => h.api.patch(Jobs, { namespace: 'a', name: 'j' }, { spec: { suspend: value } }, { type: 'application/merge-patch+json' });
  await suspend(false);
  await h.clock.advance(500);
  expect([live(h).length, conditions(h)]).toEqual([2, ['Suspended=False JobResumed']]);
  await suspend(true);
  await h.clock.advance(500);
  expect([h.api.objects(Pods).length, status(h)?.failed]).toEqual([0, undefined]);
});

test('the first matching rule of a failure policy counts', async () => {
  const policy: JobSpec['podFailurePolicy'] = {
    rules: [
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } },
    ],
  };
  const disrupted: Pod = { metadata: { name: 'p', namespace: 'a' }, status: { conditions: [{ type: 'DisruptionTarget', status: 'True' }] } };
  expect(matchFailurePolicy(job({ podFailurePolicy: policy }), disrupted)?.action).toBe('Ignore');
  const h = await startManager();
  await h.api.create(Jobs, job({ podFailurePolicy: policy }));
  await h.clock.advance(500);
  const name = live(h)[0]?.metadata?.name;
  end(h, live(h)[0], 'Failed', 42);
  await h.clock.advance(500);
  expect(status(h)?.conditions?.[0]).toMatchObject({ type: 'FailureTarget', reason: 'PodFailurePolicy', message: `Container c for pod a/${name} failed with exit code 42 matching FailJob rule at index 1` });
});

test('pods of a Job that is gone lose their finalizer; finished Jobs go after their time', async () => {
  const h = await startManager();
  await h.api.create(Jobs, job({ ttlSecondsAfterFinished: 20 }));
  await h.clock.advance(500);
  end(h, live(h)[0], 'Succeeded');
  await h.clock.advance(15_000);
  expect(h.api.find(Jobs, 'j', 'a')?.metadata?.deletionTimestamp).toBeUndefined();
  await h.clock.advance(10_000);
  expect(h.api.find(Jobs, 'j', 'a')).toBeUndefined();
  await h.api.create(Jobs, job());
  await h.clock.advance(500);
  await h.api.delete(Jobs, { namespace: 'a', name: 'j' });
  await h.clock.advance(500);
  expect(live(h).every((pod) => !pod.metadata?.finalizers?.length)).toBe(true);
});
