import { describe, expect, it } from 'vitest';
import type { Experiment } from './experiment.ts';
import { type Known, nextTime, plan } from './plan.ts';

const created = Date.UTC(2026, 0, 1);
const experiment = (spec: Partial<Experiment['spec']>, generation = 1): Experiment => ({
  metadata: { name: 'e', generation, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { fault: { verb: 'pause' }, selector: { components: ['scheduler'] }, ...spec },
});
const fresh: Known = { runningSinceMs: undefined, generation: undefined, lastStartMs: undefined };
const running: Known = { runningSinceMs: created, generation: 1, lastStartMs: created };
const over: Known = { ...running, runningSinceMs: undefined };

describe('what to do about an experiment', () => {
  it.each<[string, Partial<Experiment['spec']>, Known, number, ReturnType<typeof plan>]>([
    ['strikes once, at once', { duration: '1m' }, fresh, 0, { do: 'inject', durationMs: 60_000 }],
    ['not twice', { duration: '1m' }, over, 60_000, { do: 'wait', phase: 'Completed', untilMs: undefined }],
    ['waits for its end', { duration: '1m' }, running, 20_000, { do: 'wait', phase: 'Running', untilMs: created + 60_000 }],
    ['ends', { duration: '1m' }, running, 60_000, { do: 'end', why: 'its time is over' }],
    ['lasts without a duration', {}, running, 1e9, { do: 'wait', phase: 'Running', untilMs: undefined }],
    ['is stopped', { stop: true }, running, 1, { do: 'end', why: 'stopped' }],
    ['never begins when stopped', { stop: true }, fresh, 1, { do: 'wait', phase: 'Stopped', untilMs: undefined }],
    ['waits for its schedule', { schedule: '*/5 * * * *' }, fresh, 1_000, { do: 'wait', phase: 'Scheduled', untilMs: created + 300_000 }],
    ['strikes by its schedule', { schedule: '*/5 * * * *', duration: '10s' }, fresh, 300_000, { do: 'inject', durationMs: 10_000 }],
    ['strikes again', { schedule: '@every 2m' }, over, 120_000, { do: 'inject', durationMs: undefined }],
    ['refuses what is no schedule', { schedule: 'soon' }, fresh, 0, { do: 'refuse', why: 'spec.schedule: "soon" has not the five fields of cron' }],
    ['refuses what is no duration', { duration: 'long' }, fresh, 0, { do: 'refuse', why: 'spec.duration: "long" is no span of time such as 90s or 1h30m' }],
    ['refuses what is no fault', { selector: {} }, fresh, 0, { do: 'refuse', why: 'spec.selector.components: pause is aimed at components: name at least one' }],
  ])('%s', (_, spec, known, afterMs, step) => {
    expect(plan(experiment(spec), known, created + afterMs)).toEqual(step);
  });

  it('begins anew when it was changed', () => {
    expect(plan(experiment({}, 2), running, created)).toEqual({ do: 'end', why: 'the experiment was changed' });
    expect(plan(experiment({}, 2), over, created)).toEqual({ do: 'inject', durationMs: undefined });
  });

  it('ends what has become wrong', () => {
    expect(plan(experiment({ duration: '-1s' }), running, created)).toMatchObject({ do: 'end' });
  });
});

it('says in which words a schedule is wrong', () => {
  expect(() => nextTime('61 * * * *', created)).toThrow(/^spec\.schedule: /);
  expect(nextTime('@hourly', created)).toBe(created + 3_600_000);
});
