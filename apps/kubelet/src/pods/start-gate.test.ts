import { VirtualClock } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createStartGate } from './start-gate.ts';

async function begin(gate: ReturnType<typeof createStartGate>, count: number, begun: (end: () => void) => void): Promise<void> {
  for (let i = 0; i < count; i++) {
    const turn = gate.enter();
    if (turn instanceof Promise) void turn.then(begun);
    else begun(turn);
  }
  await Promise.resolve();
}

test('some begin at once, the others as turns end, in order and once each', async () => {
  const clock = new VirtualClock();
  const gate = createStartGate(clock);
  const ends: (() => void)[] = [];
  await begin(gate, 200, (end) => ends.push(end));
  expect(ends).toHaveLength(64);
  for (let i = 0; i < 100; i++) {
    ends[i]?.();
    ends[i]?.();
    await Promise.resolve();
  }
  expect(ends).toHaveLength(164);
  for (let i = 100; i < 200; i++) {
    ends[i]?.();
    await Promise.resolve();
  }
  expect(ends).toHaveLength(200);
  const again: (() => void)[] = [];
  await begin(gate, 64, (end) => again.push(end));
  expect(again).toHaveLength(64);
});

test('who never ends a turn keeps nobody waiting for long', async () => {
  const clock = new VirtualClock();
  const gate = createStartGate(clock);
  let begun = 0;
  await begin(gate, 1000, () => (begun += 1));
  await clock.advance(1000);
  expect(begun).toBe(1000);
});
