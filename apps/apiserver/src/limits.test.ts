import { resolveConfig } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { apiServerSchema } from './config.ts';
import { parseGoDuration } from './identity/go-duration.ts';
import { limitsOf } from './limits.ts';

describe('durations', () => {
  it.each([
    ['0', 0],
    ['1h30m', 5_400_000],
    ['-1.5s', -1500],
    ['.5ms', 0.5],
    ['10us', 0.01],
  ])('%s', (text, ms) => expect(parseGoDuration(text)).toBeCloseTo(ms, 9));

  it.each([
    ['', 'time: invalid duration ""'],
    ['10', 'time: missing unit in duration "10"'],
    ['1x', 'time: unknown unit "x" in duration "1x"'],
    ['1s5', 'time: missing unit in duration "1s5"'],
    ['s', 'time: invalid duration "s"'],
    ['9999999h', 'time: invalid duration "9999999h"'],
  ])('%s is none', (text, message) => expect(() => parseGoDuration(text)).toThrow(message));
});

describe('limits', () => {
  const limits = (settings: object) => limitsOf(resolveConfig(apiServerSchema, [settings as never]));
  it('have upstream’s defaults', () => {
    expect(limits({})).toEqual({ requestMs: 60_000, shutdownDelayMs: 0, watchGraceMs: 0, maxReads: 400, maxWrites: 200, goawayChance: 0, storeHealthMs: 2000, storeReadyMs: 2000 });
  });
  it.each([
    [{ goawayChance: 0.5 }, '--goaway-chance can not be less than 0 or greater than 0.02'],
    [{ maxRequestsInflight: -1 }, '--max-requests-inflight can not be negative value'],
    [{ requestTimeout: '-1s' }, '--request-timeout can not be negative value'],
    [{ shutdownDelayDuration: 'soon' }, 'invalid argument "soon" for "--shutdown-delay-duration" flag: time: invalid duration "soon"'],
    [{ maxRequestsInflight: 0, maxMutatingRequestsInflight: 0 }, 'can not both be 0'],
  ])('refuse %j', (settings, message) => expect(() => limits(settings)).toThrow(message));
});
