import { expect, it } from 'vitest';
import { liveThrough, seeds } from './story.ts';

/** The other half of `seeds.test.ts`. */
const { first, last, count } = seeds;

it(`a cluster comes to rest after whatever befell it, in the second half of ${count} seeds`, { timeout: 120_000 + count * 20_000 }, async () => {
  expect(await liveThrough({ first: first + 1, last, step: 2 })).toEqual([]);
});
