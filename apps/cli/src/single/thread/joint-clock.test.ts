import { AdjustableClock, VirtualClock } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { type FarClock, JointClock } from './joint-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Two clocks on one machine, and messages between their threads that take a turn of the event loop each. */
function twoThreads() {
  const below = new VirtualClock();
  const [near, far] = [new AdjustableClock(below), new AdjustableClock(below)];
  const nearTraffic = { sent: 0, received: 0 };
  const farTraffic = { sent: 0, received: 0 };
  const send = (from: { sent: number }, to: { received: number }, act: () => void): void => {
    from.sent++;
    void turn().then(turn).then(turn).then(() => {
      to.received++;
      act();
    });
  };
  const remote: FarClock = {
    read: async () => far.read(),
    setSpeed: async (factor) => far.setSpeed(factor),
    advance: (ms) => far.advance(ms, { settle: turn }),
    jump: async (ms) => far.jump(ms),
    untilNext: async () => far.untilNext(),
    async settle() {
      await turn();
      return { ...farTraffic };
    },
  };
  return {
    below,
    near,
    far,
    toFar: (act: () => void) => send(nearTraffic, farTraffic, act),
    toNear: (act: () => void) => send(farTraffic, nearTraffic, act),
    joint: new JointClock(near, nearTraffic, remote),
  };
}

it('advances both, and what falls due in one waits for what it causes in the other', async () => {
  const { near, far, toFar, toNear, joint } = twoThreads();
  const log: string[] = [];
  const began = near.now();
  const at = (name: string): number => log.push(`${Math.round((name.startsWith('far') ? far.now() : near.now()) - began)} ${name}`);
  far.after(1_000, () => {
    at('far asks');
    toNear(() => {
      at('near is asked');
      toFar(() => {
        at('far is answered');
        far.after(2_000, () => at('far goes on'));
      });
    });
  });
  near.every(4_000, () => at('near ticks'));
  const progress: number[] = [];
  await joint.advance(10_000, { settle: turn, onProgress: (ms) => progress.push(ms) });
  // What is caused is late by no more than the grain.
  expect(log.map((line) => line.replace(/^\d+/, (ms) => String(Math.floor(Number(ms) / 500) * 500)))).toEqual(['1000 far asks', '1000 near is asked', '1000 far is answered', '3000 far goes on', '4000 near ticks', '8000 near ticks']);
  expect([near.now() - began, far.now() - began]).toEqual([10_000, 10_000]);
  expect(progress.at(-1)).toBe(10_000);
  expect(near.read().speed).toBe(1);
});

it('runs and stands still together, and whichever is behind catches up', async () => {
  const { below, near, far, joint } = twoThreads();
  far.jump(70);
  await joint.setSpeed(60);
  await below.advance(1_000);
  expect([near.read().aheadMs, far.read().aheadMs]).toEqual([59_070, 59_070]);
  await joint.setSpeed(0);
  await below.advance(1_000);
  expect(near.now()).toBe(far.now());
  await joint.setSpeed(1);
  expect(joint.read()).toEqual(near.read());
});

it('is neither advanced nor set while it is being advanced, between steps neither', async () => {
  const { near, far, joint } = twoThreads();
  near.every(1_000, () => undefined);
  const refused: string[] = [];
  const refuse = (error: Error): number => refused.push(error.message);
  const began = near.now();
  const settle = async (): Promise<void> => {
    await turn();
    if (refused.length) return;
    await joint.setSpeed(3).catch(refuse);
    await joint.advance(5_000, { settle: turn }).catch(refuse);
  };
  await joint.advance(10_000, { settle });
  expect(refused).toEqual(['time is being advanced', 'time is being advanced']);
  expect([near.now() - began, far.now() - began]).toEqual([10_000, 10_000]);
  expect(near.read().speed).toBe(1);
  await expect(joint.advance(-1, { settle: turn })).rejects.toThrow('time cannot advance by -1 ms');
});

it('ends where it is when it is aborted, at the speed it had', async () => {
  const { near, far, joint } = twoThreads();
  await joint.setSpeed(2);
  const over = new AbortController();
  const began = near.now();
  near.every(1_000, () => over.abort());
  await joint.advance(60_000, { settle: turn, signal: over.signal });
  expect(near.now() - began).toBeLessThan(3_000);
  expect(far.now()).toBe(near.now());
  expect(near.read().speed).toBe(2);
});
