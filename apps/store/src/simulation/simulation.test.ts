import { describe, expect, it } from 'vitest';
import { simulate } from './scenario.ts';
import { runSeeds } from './seeds.ts';

/** Half of what the tests run; the other half is in `planted.test.ts`, beside this one on another core. */
const count = Math.ceil(Number(process.env['ORRERY_SEEDS'] ?? 2000) / 2);
const first = Number(process.env['ORRERY_SEED']) || 1;

// Most errors here are answers: where they were made tells nothing, and costs more than anything else.
Error.stackTraceLimit = 0;
const drain = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function traceOf(seed: number): Promise<string> {
  const lines: string[] = [];
  await simulate({ seed, drain, trace: (line) => lines.push(line) });
  return lines.join('\n');
}

describe('simulated clusters of stores', () => {
  it(`keep every promise through ${count} runs of faults`, { timeout: 60_000 + count * 5_000 }, async () => {
    const { findings, ...sum } = await runSeeds({ first, count, drain });
    expect(findings).toEqual([]);
    // A cluster that answers nothing breaks no promise.
    expect(sum.acknowledged).toBeGreaterThan(50 * count);
    expect(sum.events).toBeGreaterThan(50 * count);
    expect(sum.leases).toBeGreaterThan(2 * count);
    expect(sum.leaderChanges).toBeGreaterThan(count);
    expect(sum.undecided).toBeLessThan(0.05 * count + 1);
  });

  it('are the same again from the same seed, whatever ran in between', { timeout: 60_000 }, async () => {
    const before = await traceOf(11);
    const other = await traceOf(12);
    expect(await traceOf(11)).toBe(before);
    expect(before.split('\n').length).toBeGreaterThan(200);
    expect(other).not.toBe(before);
  });
});
