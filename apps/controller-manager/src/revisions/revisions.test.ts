import { expect, it } from 'vitest';
import { planHistory } from './revisions.ts';

const history = [1, 2, 3].map((revision) => ({ metadata: { name: `r${revision}` }, revision }));
const gone = (limit: number): (string | undefined)[] => planHistory(history, { limit, inUse: ({ revision }) => revision === 3 }).map(({ metadata }) => metadata?.name);

it('keeps as many revisions as it is told, and all below zero', () => {
  expect([gone(1), gone(0), gone(2), gone(-1)]).toEqual([['r1'], ['r1', 'r2'], [], []]);
});
