import { expect, it } from 'vitest';
import { formatLabels, formatSelector } from './columns.ts';
import { humanDuration, since } from './duration.ts';

const s = 1000;
const m = 60 * s;
const h = 60 * m;
const d = 24 * h;

it.each([
  [-2 * s, '<invalid>'],
  [-1 * s, '0s'],
  [0, '0s'],
  [119 * s, '119s'],
  [2 * m, '2m'],
  [5 * m + 3 * s, '5m3s'],
  [10 * m + 3 * s, '10m'],
  [179 * m, '179m'],
  [3 * h + 20 * m, '3h20m'],
  [8 * h + 20 * m, '8h'],
  [47 * h, '47h'],
  [52 * h, '2d4h'],
  [8 * d, '8d'],
  [729 * d, '729d'],
  [3 * 365 * d + 5 * d, '3y5d'],
  [8 * 365 * d, '8y'],
])('%d ms is %s', (ms, text) => expect(humanDuration(ms)).toBe(text));

it('does not know the age of what has no time', () => expect(since(undefined, 0)).toBe('<unknown>'));

it('writes labels and selectors in order', () => {
  expect(formatLabels({ b: '1', a: '2' })).toBe('a=2,b=1');
  expect(formatSelector({ matchLabels: { z: '1' }, matchExpressions: [{ key: 'a', operator: 'In', values: ['y', 'x'] }, { key: 'b', operator: 'DoesNotExist' }] })).toBe('a in (x,y),!b,z=1');
  expect([formatSelector(undefined), formatSelector({})]).toEqual(['<none>', '<none>']);
});
