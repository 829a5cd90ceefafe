import { VirtualClock } from '@orrery/runtime';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LoadMeter } from './load.ts';

function meter(cores: () => number, requestCpuMs = 0) {
  const clock = new VirtualClock();
  const load = new LoadMeter({ clock, cores, requestCpuMs, onMemory: () => undefined });
  return { clock, load };
}

it('burns what it is told to, for as long, within the limit', async () => {
  const { clock, load } = meter(() => 1);
  load.burn(0.3, 20_000);
  load.burn(0.2, 10_000);
  await clock.advance(10_000);
  expect([load.cpuMs(), load.cores()]).toEqual([5_000, 0.5]);
  await clock.advance(5_000);
  expect(load.cpuMs()).toBe(6_500);
  await clock.advance(60_000);
  expect(load.cpuMs()).toBe(8_000);
  await clock.advance(30_000);
  expect(load.cores()).toBeLessThan(0.1);
  load.burn(5, 10_000);
  await clock.advance(20_000);
  expect(load.cpuMs()).toBe(18_000);
});

it('does work as fast as the limit lets it, the rest later', async () => {
  let cores = 0.5;
  const { clock, load } = meter(() => cores, 10);
  for (let i = 0; i < 100; i++) load.request();
  await clock.advance(1_000);
  expect(load.cpuMs()).toBe(500);
  cores = 0.1;
  await clock.advance(1_000);
  expect(load.cpuMs()).toBe(600);
  await clock.advance(60_000);
  expect(load.cpuMs()).toBe(1_000);
});

it('holds memory for a while', async () => {
  const { clock, load } = meter(() => 1);
  load.hold(100, 10_000);
  load.hold(50, 20_000);
  await clock.advance(5_000);
  expect(load.memoryBytes()).toBe(150);
  await clock.advance(10_000);
  expect(load.memoryBytes()).toBe(50);
  await clock.advance(10_000);
  expect(load.memoryBytes()).toBe(0);
});

it('never goes back, never exceeds the limit, whenever it is looked at', () => {
  const step = fc.record({ wait: fc.integer({ min: 0, max: 5_000 }), burn: fc.double({ min: 0, max: 3, noNaN: true }), work: fc.integer({ min: 0, max: 500 }) });
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.double({ min: 0.05, max: 2, noNaN: true }), async (steps, cores) => {
      const { clock, load } = meter(() => cores);
      let before = 0;
      for (const { wait, burn, work } of steps) {
        load.burn(burn, 1_000);
        load.work(work);
        await clock.advance(wait);
        const now = load.cpuMs();
        expect(now).toBeGreaterThanOrEqual(before);
        expect(now - before).toBeLessThanOrEqual(cores * wait + 1e-6);
        before = now;
      }
    }),
    { numRuns: 50 },
  );
});

it('says how long work will take with the cores that are left', async () => {
  const { clock, load } = meter(() => 0.5);
  expect(load.backlogMs()).toBe(0);
  load.work(100);
  expect(load.backlogMs()).toBe(200);
  load.burn(0.25, 10_000);
  await clock.advance(200);
  expect([load.backlogMs(), load.cpuMs()]).toEqual([200, 100]);
});
