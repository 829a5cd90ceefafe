import { expect, test } from 'vitest';
import { criLogLine } from './log-source.ts';
import { MemoryLogs } from './memory-logs.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

test('appends are read from any offset, across chunks', async () => {
  const logs = new MemoryLogs();
  expect(await logs.extent('/a')).toBeUndefined();
  logs.create('/a');
  expect(await logs.extent('/a')).toEqual({ start: 0, end: 0 });
  for (const part of ['abc', 'defg', 'h']) logs.append('/a', part);
  expect([text(await logs.read('/a', 0, 100)), text(await logs.read('/a', 2, 3)), text(await logs.read('/a', 7, 9)), text(await logs.read('/a', 8, 9))]).toEqual(['abcdefgh', 'cde', 'h', '']);
});

test('a log that is too long loses its beginning, offsets stay', async () => {
  const logs = new MemoryLogs({ maxBytes: 100 });
  for (let i = 0; i < 30; i++) logs.append('/a', `line-${String(i).padStart(4, '0')}\n`);
  const extent = await logs.extent('/a');
  expect(extent?.end).toBe(300);
  expect(extent?.start).toBeGreaterThan(190);
  expect(text(await logs.read('/a', 290, 10))).toBe('line-0029\n');
});

test('watchers hear of growth and removal; removing a directory removes what is below', async () => {
  const logs = new MemoryLogs();
  let heard = 0;
  logs.append('/d/x/0.log', 'a');
  const stop = logs.watch('/d/x/0.log', () => heard++);
  logs.append('/d/x/0.log', 'b');
  await logs.remove('/d');
  stop();
  logs.append('/d/x/0.log', 'c');
  expect([heard, (await logs.extent('/d/x/0.log'))?.end]).toEqual([2, 1]);
});

test('lines carry nanoseconds', () => {
  expect(criLogLine({ timeNs: 1_767_225_600_000_000_042n, stream: 'stderr', text: 'x', partial: true })).toBe('2026-01-01T00:00:00.000000042Z stderr P x\n');
});
