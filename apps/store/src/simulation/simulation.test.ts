import { describe, expect, it } from 'vitest';
import type { BugName } from './bugs.ts';
import { type Outcome, type ScenarioOptions, simulate } from './scenario.ts';

/** Fewer than are worth a night's work: `ORRERY_SEEDS=5000`, or `npx nx sim store -- --seeds 5000`. */
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 150);
const first = Number(process.env['ORRERY_SEED']) || 1;
const timeout = 60_000 + seeds * 5_000;

// Most errors here are answers: where they were made tells nothing, and costs more than anything else.
Error.stackTraceLimit = 0;
const drain = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const run = (options: Omit<ScenarioOptions, 'drain'>): Promise<Outcome> => simulate({ ...options, drain });

const told = ({ seed, findings }: Outcome): string => findings.map(({ checker, message }) => `npx nx sim store -- --seed ${seed}: ${checker}: ${message}`).join('\n');

async function traceOf(seed: number): Promise<string> {
  const lines: string[] = [];
  await run({ seed, trace: (line) => lines.push(line) });
  return lines.join('\n');
}

describe('simulated clusters of stores', () => {
  it(`keep every promise through ${seeds} runs of faults`, { timeout }, async () => {
    const sum = { acknowledged: 0, events: 0, leases: 0, leaders: 0, undecided: 0 };
    for (let seed = first; seed < first + seeds; seed++) {
      const outcome = await run({ seed });
      expect(told(outcome)).toBe('');
      sum.acknowledged += outcome.acknowledged;
      sum.events += outcome.events;
      sum.leases += outcome.leases;
      sum.leaders += outcome.leaderChanges;
      sum.undecided += outcome.undecided;
    }
    // A cluster that answers nothing breaks no promise.
    expect(sum.acknowledged).toBeGreaterThan(50 * seeds);
    expect(sum.events).toBeGreaterThan(50 * seeds);
    expect(sum.leases).toBeGreaterThan(2 * seeds);
    expect(sum.leaders).toBeGreaterThan(seeds);
    expect(sum.undecided).toBeLessThan(0.05 * seeds + 1);
  });

  it('is the same again from the same seed, whatever ran in between', { timeout: 60_000 }, async () => {
    const before = await traceOf(11);
    await run({ seed: 12 });
    expect(await traceOf(11)).toBe(before);
    expect(before.split('\n').length).toBeGreaterThan(200);
    expect(await traceOf(12)).not.toBe(before);
  });
});

/** What each planted bug is looked for with. */
const planted: readonly [BugName, { seeds: number; checkers: readonly string[] } & Partial<ScenarioOptions>][] = [
  ['acknowledgeBeforeFsync', { seeds: 20, checkers: ['truth', 'revisions', 'watch', 'liveness', 'hash'], faults: { crash: 2, crashAll: 1 } }],
  ['commitByCount', { seeds: 120, checkers: ['truth', 'revisions', 'watch', 'liveness', 'hash'], faults: { figureEight: 1 }, conditions: { members: 3, delayMs: 30, maxMessageBytes: 1, maxInFlight: 2, pauseMs: 1000, electionTimeout: 500, wildPercent: 0 } }],
  ['noPreVote', { seeds: 40, checkers: ['disruption'], conditions: { members: 3 }, faults: { heal: 1 }, faultyMs: 1000 }],
  ['watchDropsOnReconnect', { seeds: 20, checkers: ['watch', 'truth'] }],
  ['staleRead', { seeds: 20, checkers: ['revisions', 'linearizable'], conditions: { members: 3 } }],
];

describe('the simulation finds planted bugs', () => {
  it.each(planted)('%s', { timeout: 300_000 }, async (bug, { seeds: most, checkers, ...options }) => {
    const found = new Set<string>();
    for (let seed = 1; seed <= most && !checkers.some((checker) => found.has(checker)); seed++) {
      const { findings } = await run({ seed, bug, ...options });
      for (const { checker } of findings) found.add(checker);
    }
    expect(checkers.some((checker) => found.has(checker)), `found only ${[...found].join()}`).toBe(true);
  });

  it('and nothing where there is none, under the same conditions', { timeout: 300_000 }, async () => {
    for (const [, { seeds: _most, checkers: _checkers, ...options }] of planted) {
      for (let seed = 1; seed <= 5; seed++) expect(told(await run({ seed, ...options }))).toBe('');
    }
  });
});
