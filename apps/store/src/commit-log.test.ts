import { expect, it } from 'vitest';
import { DiskLog, type Proposal } from './commit-log.ts';
import type { Alone } from './storage/quick-append.ts';
import type { Wal } from './storage/wal.ts';

/** How writes of one proposal after the other get to the disk. */
async function ways(alone: Alone | undefined, between: () => void): Promise<string[]> {
  const seen: string[] = [];
  const wal = { append: () => (seen.push('over another thread'), Promise.resolve()), appendNow: () => void seen.push('at once') } as unknown as Wal;
  const log = new DiskLog({ wal, sink: { committed: ({ resolve }) => resolve(undefined as never), failed: ({ reject }, error) => reject(error) }, term: 1, lastIndex: 0, now: () => 0, alone });
  for (let i = 0; i < 2; i++) {
    const entry: Proposal['entry'] = { kind: 'put', request: { key: Buffer.from('k'), value: Buffer.from(String(i)) } };
    await new Promise((resolve, reject) => log.propose({ entry, resolve, reject }));
    between();
  }
  await log.drain();
  return seen;
}

it.each([
  ['shares its process', undefined, ['over another thread', 'over another thread']],
  ['has a process to itself', {}, ['at once', 'at once']],
  ['has it for a while', { isNow: (turn: number) => turn === 0 }, ['at once', 'over another thread']],
  ['has it later', { isNow: (turn: number) => turn > 0 }, ['over another thread', 'at once']],
] as const)('a store that %s', async (_what, alone: { isNow?: (turn: number) => boolean } | undefined, expected) => {
  let turn = 0;
  const { isNow } = alone ?? {};
  const given: Alone | undefined = alone && { atEndOfTurn: (run) => queueMicrotask(run), ...(isNow ? { isNow: () => isNow(turn) } : {}) };
  expect(await ways(given, () => turn++)).toEqual(expected);
});
