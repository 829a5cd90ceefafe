import { expect, it } from 'vitest';
import { canonicalIp, contains, formatIp, isUsable, lastOffset, parseIp, parseRange, parseRanges, staticBand } from './ip-range.ts';

it.each([
  ['fd00:0:0:0:0:0:0:1', 'fd00::1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['FD00::00AB', 'fd00::ab'],
  ['10.0.0.1', '10.0.0.1'],
])('%s is written %s', (text, canonical) => {
  expect(canonicalIp(text)).toBe(canonical);
  expect(formatIp(parseIp(canonical)!, text.includes(':') ? 'IPv6' : 'IPv4')).toBe(canonical);
});

it.each([
  ['10.96.0.0/27', '10.96.0.0', false],
  ['10.96.0.0/27', '10.96.0.1', true],
  ['10.96.0.0/27', '10.96.0.30', true],
  ['10.96.0.0/27', '10.96.0.31', false],
  ['10.96.0.9/27', '10.96.0.1', true],
  ['fd00::/112', 'fd00::', false],
  ['fd00::/112', 'fd00::ffff', true],
  ['fd00::/112', 'fd00::1:0', false],
  ['fd00::/112', '10.96.0.1', false],
])('of %s, %s may be given away: %s', (cidr, ip, usable) => {
  const range = parseRange(cidr)!;
  expect(isUsable(range, ip)).toBe(usable);
  if (usable) expect(contains(range, ip)).toBe(true);
});

it.each([
  ['10.0.0.0/29', 0n],
  ['10.0.0.0/28', 16n],
  ['10.0.0.0/24', 16n],
  ['10.0.0.0/20', 256n],
  ['10.0.0.0/16', 256n],
])('%s keeps %s for choice', (cidr, band) => expect(staticBand(parseRange(cidr)!)).toBe(band));

it('takes one range a family', () => {
  expect(parseRanges('10.96.0.0/16, fd00::/108').map(({ family }) => family)).toEqual(['IPv4', 'IPv6']);
  for (const text of ['10.96.0.0/16,10.97.0.0/16', '10.96.0.0', '10.96.0.0/31', 'x/8', '']) expect(() => parseRanges(text)).toThrow('range');
  expect(lastOffset(parseRange('fd00::/126')!)).toBe(3n);
});
