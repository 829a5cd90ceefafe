import { CronJobs, Events, Jobs } from '@orrery/api';
import type { CronJob, CronJobSpec } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';
import { dueBetween, isTimeZone, parseSchedule } from './schedule.ts';

const at = (text: string): number => Date.parse(`${text}Z`);
const cron = (spec: Partial<CronJobSpec> = {}): CronJob => ({ metadata: { name: 'c', namespace: 'a' }, spec: { schedule: '*/5 * * * *', jobTemplate: { metadata: { labels: { j: 't' } }, spec: { template: { spec: { containers: [] } } } }, ...spec } });
const only = { controllers: ['cronjob-controller'] };
const names = (h: Harness) => h.api.objects(Jobs).map((job) => job.metadata?.name);
const finish = (h: Harness, type: 'Complete' | 'Failed') => {
  for (const job of h.api.objects(Jobs)) if (!job.status?.conditions) h.api.setStatus(Jobs, { namespace: 'a', name: job.metadata?.name ?? '' }, { conditions: [{ type, status: 'True' }], startTime: job.metadata?.creationTimestamp, ...(type === 'Complete' ? { completionTime: new Date(h.clock.now()).toISOString() } : {}) });
};
const reasons = (h: Harness) => h.api.objects(Events).map((event) => event.reason);

test.each([
  ['*/15 * * * *', undefined, '2026-01-01T00:00:00', '2026-01-01T00:15:00'],
  ['0 9 * * 1-5', undefined, '2026-01-02T10:00:00', '2026-01-05T09:00:00'],
  ['0 0 13 * 5', undefined, '2026-01-01T00:00:00', '2026-01-02T00:00:00'],
  ['@daily', undefined, '2026-01-01T12:00:00', '2026-01-02T00:00:00'],
  ['@every 1h30m', undefined, '2026-01-01T00:00:00', '2026-01-01T01:30:00'],
  ['0 6 * * *', 'Europe/Berlin', '2026-06-01T00:00:00', '2026-06-01T04:00:00'],
])('%s in %s after %s', (text, zone, from, expected) => expect(parseSchedule(text, zone).next(at(from))).toBe(at(expected)));

test.each(['* * * *', 'x * * * *', '61 * * * *', '@every soon'])('%s is refused', (text) => expect(() => parseSchedule(text, undefined)).toThrow());

test('missed times: the latest counts, a hundred are too many and still quick', () => {
  expect(isTimeZone('Mars/Olympus')).toBe(false);
  const schedule = parseSchedule('* * * * *', undefined);
  expect(dueBetween(schedule, at('2026-01-01T00:00:30'), at('2026-01-01T00:00:40'))).toMatchObject({ latestMs: undefined, nextMs: at('2026-01-01T00:01:00') });
  expect(dueBetween(schedule, at('2026-01-01T00:00:00'), at('2026-01-01T00:03:30'))).toMatchObject({ latestMs: at('2026-01-01T00:03:00'), tooMany: false });
  expect(dueBetween(schedule, at('2025-01-01T00:00:00'), at('2026-01-01T00:03:30'))).toMatchObject({ latestMs: at('2026-01-01T00:03:00'), tooMany: true });
  const yearly = parseSchedule('0 0 1 1 *', undefined);
  expect(dueBetween(yearly, at('1800-01-02T00:00:00'), at('2026-01-01T00:03:30'))).toMatchObject({ latestMs: at('2026-01-01T00:00:00'), tooMany: true });
});

test('Jobs are made on time, named by it, listed while active and forgotten beyond the history', async () => {
  const h = await startManager(only);
  await h.api.create(CronJobs, cron({ successfulJobsHistoryLimit: 2 }));
  await h.clock.advance(300_500);
  const minute = at('2026-01-01T00:05:00') / 60_000;
  expect(names(h)).toEqual([`c-${minute}`]);
  expect(h.api.objects(Jobs)[0]?.metadata).toMatchObject({ labels: { j: 't' }, annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:05:00Z' } });
  expect(h.api.find(CronJobs, 'c', 'a')?.status).toMatchObject({ lastScheduleTime: '2026-01-01T00:05:00Z', active: [{ name: `c-${minute}` }] });
  for (let i = 0; i < 3; i++) {
    finish(h, 'Complete');
    await h.clock.advance(300_000);
  }
  expect(names(h)).toEqual([minute + 5, minute + 10, minute + 15].map((m) => `c-${m}`));
  expect(reasons(h)).toEqual(expect.arrayContaining(['SuccessfulCreate', 'SawCompletedJob', 'SuccessfulDelete']));
  expect(h.complaints).toEqual([]);
});

test('Forbid waits, Replace replaces, suspend does nothing, a lost Job is told', async () => {
  const h = await startManager(only);
  await h.api.create(CronJobs, cron({ concurrencyPolicy: 'Forbid' }));
  await h.clock.advance(601_000);
  expect([names(h).length, reasons(h).includes('JobAlreadyActive')]).toEqual([1, true]);
  const change = (spec: Partial<CronJobSpec>) => h.api.patch(CronJobs, { namespace: 'a', name: 'c' }, { spec }, { type: 'application/merge-patch+json' });
  await change({ concurrencyPolicy: 'Replace' });
  await h.clock.advance(300_000);
  expect(names(h)).toHaveLength(1);
  expect(names(h)[0]).toBe(`c-${at('2026-01-01T00:15:00') / 60_000}`);
  await change({ suspend: true });
  await h.api.delete(Jobs, { namespace: 'a', name: names(h)[0] ?? '' });
  await h.clock.advance(720_000);
  expect([names(h).length, reasons(h).includes('MissingJob'), h.api.find(CronJobs, 'c', 'a')?.status?.active]).toEqual([0, true, undefined]);
  await change({ suspend: false, startingDeadlineSeconds: 60 });
  await h.clock.advance(1_000);
  expect(names(h)).toHaveLength(0);
});

test('a Job that was made before its manager died forbids the next, listed or not', async () => {
  const h = await startManager(only);
  const [made] = h.api.seed(CronJobs, { ...cron({ concurrencyPolicy: 'Forbid' }), apiVersion: 'batch/v1', kind: 'CronJob' });
  const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'c', uid: made?.metadata?.uid ?? '', controller: true };
  h.api.seed(Jobs, { metadata: { name: 'c-1', namespace: 'a', ownerReferences: [owner] } });
  await h.clock.advance(301_000);
  expect([names(h), reasons(h).includes('JobAlreadyActive')]).toEqual([['c-1'], true]);
});
