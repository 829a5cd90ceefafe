import { expect, it } from 'vitest';
import { queryFlag } from './query-flag.ts';

it.each([
  ['', undefined],
  ['force', true],
  ['force=', true],
  ['force=true', true],
  ['force=True', true],
  ['force=1', true],
  ['force=yes', true],
  ['force=false', false],
  ['force=False', false],
  ['force=0', false],
  ['force=0&force=true', false],
])('%s is %s', (query, expected) => {
  expect(queryFlag(new URLSearchParams(query), 'force')).toBe(expected);
});
