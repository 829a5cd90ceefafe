import { VirtualClock } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { AccessReviewer } from './access-reviewer.ts';
import type { ApiClient } from './api-client.ts';

it('asks once for each user and access, as long as the answer counts', async () => {
  const clock = new VirtualClock();
  const asked: unknown[] = [];
  const create = (_resource: unknown, review: { spec: { user: string } }): Promise<object> => {
    asked.push(review.spec);
    return Promise.resolve({ ...review, status: { allowed: review.spec.user === 'ann' } });
  };
  const reviewer = new AccessReviewer({ api: { create } as unknown as ApiClient, clock, allowedMs: 60_000, deniedMs: 10_000 });
  const access = { resourceAttributes: { verb: 'get', resource: 'nodes' } };
  for (let i = 0; i < 3; i++) {
    expect(await reviewer.allows({ name: 'ann', groups: ['g'] }, access)).toBe(true);
    expect(await reviewer.allows({ name: 'bob', groups: [], uid: '7', extra: { k: ['v'] } }, access)).toBe(false);
  }
  expect(asked).toEqual([
    { user: 'ann', groups: ['g'], resourceAttributes: { verb: 'get', resource: 'nodes' } },
    { user: 'bob', groups: [], uid: '7', extra: { k: ['v'] }, resourceAttributes: { verb: 'get', resource: 'nodes' } },
  ]);
  await clock.advance(20_000);
  await reviewer.allows({ name: 'ann', groups: ['g'] }, access);
  await reviewer.allows({ name: 'bob', groups: [], uid: '7', extra: { k: ['v'] } }, access);
  expect(asked).toHaveLength(3);
  await reviewer.allows({ name: 'ann', groups: ['g'] }, { nonResourceAttributes: { verb: 'get', path: '/metrics' } });
  expect(asked).toHaveLength(4);
});
