import { describe, expect, it } from 'vitest';
import { PingPolicy } from './ping-policy.ts';

/** Pings at these seconds, `!` after an answer went out; the first that is too many. */
function firstComplaint(at: readonly (number | string)[], options: { calls: number; withoutCalls?: boolean }): number | string | undefined {
  let now = 0;
  const policy = new PingPolicy({ minMs: 5000, withoutCalls: options.withoutCalls ?? false }, () => now * 1000);
  return at.find((ping) => {
    now = Number.parseFloat(String(ping));
    return policy.complaint(String(ping).endsWith('!'), options.calls) !== undefined;
  });
}

describe('pings that are too many', () => {
  it.each([
    ['every five seconds, with calls', [0, 5, 10, 15, 20, 25], { calls: 1 }, undefined],
    ['every four seconds, with calls', [0, 4, 8, 12, 16], { calls: 1 }, 12],
    ['every four seconds while answers go out', [0, '4!', '8!', '12!', '16!'], { calls: 1 }, undefined],
    ['an answer in between forgives', [0, 1, 2, '3!', 4, 5, 6], { calls: 1 }, 6],
    ['every minute without calls', [0, 60, 120, 180], { calls: 0 }, 180],
    ['every minute without calls, where that is allowed', [0, 60, 120, 180], { calls: 0, withoutCalls: true }, undefined],
  ])('%s', (_, at, options, expected) => {
    expect(firstComplaint(at, options)).toBe(expected);
  });
});
