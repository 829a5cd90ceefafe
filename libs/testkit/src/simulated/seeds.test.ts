import { expect, it } from 'vitest';
import { liveThrough, seeds } from './story.ts';

/** One half; the other is in `more-seeds.test.ts`, beside this one on another core. */
const { first, last, count } = seeds;

it(`a cluster comes to rest after whatever befell it, in the first half of ${count} seeds`, { timeout: 120_000 + count * 20_000 }, async () => {
  expect(await liveThrough({ first, last, step: 2 })).toEqual([]);
});
