import { expect, it } from 'vitest';
import { createAddressPool } from './address-pool.ts';

it.each([
  { range: '127.77.0.0/16', family: 4, first: '127.77.0.1', last: '127.77.255.254', within: '127.77.9.9', without: '127.78.0.1' },
  { range: '10.0.0.4/30', family: 4, first: '10.0.0.5', last: '10.0.0.6', within: '10.0.0.7', without: '10.0.0.8' },
  { range: 'fd00:10:241::/112', family: 6, first: 'fd00:10:241::1', last: 'fd00:10:241::fffe', within: 'fd00:10:241:0::9', without: '10.0.0.5' },
  { range: 'fd00::/64', family: 6, first: 'fd00::1', last: 'fd00::ffff:ffff:ffff:fffe', within: 'fd00::1', without: 'fd00:0:0:1::1' },
] as const)('the addresses of $range', ({ range, family, first, last, within, without }) => {
  const pool = createAddressPool(range, family);
  expect([pool.next(new Set()), pool.last(new Set()), pool.contains(within), pool.contains(without)]).toEqual([first, last, true, false]);
  expect(pool.next(new Set([first]))).not.toBe(first);
});

it('has none when all are taken', () => expect(createAddressPool('fd00::/126', 6).next(new Set(['fd00::1', 'fd00::2']))).toBeUndefined());

it.each([['127.77.0.0', 4], ['x/8', 4], ['1.2.3.4/33', 4], ['10.0.0.0/4', 4], ['fd00::/112', 4], ['10.0.0.0/8', 6], ['fd00::/129', 6]] as const)('%s is no range of IPv%d', (range, family) => {
  expect(() => createAddressPool(range, family)).toThrow(`${range} is not an IPv${family} range`);
});
