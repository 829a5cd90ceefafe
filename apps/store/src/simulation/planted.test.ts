import { describe, expect, it } from 'vitest';
import type { BugName } from './bugs.ts';
import { faultsFrom } from './nemesis.ts';
import { type ScenarioOptions, simulate } from './scenario.ts';
import { runSeeds } from './seeds.ts';

const count = Math.floor(Number(process.env['ORRERY_SEEDS'] ?? 2000) / 2);
const first = (Number(process.env['ORRERY_SEED']) || 1) + 1_000_000;

Error.stackTraceLimit = 0;
const drain = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Hunt {
  /** At most this many seeds are tried. */
  readonly within: number;
  /** One of these must find it. */
  readonly checkers: readonly string[];
  readonly under?: Partial<ScenarioOptions>;
}

const damage = ['truth', 'revisions', 'linearizable', 'watch', 'hash', 'liveness'];
/** Every message carries one entry and takes long: what figure 8 needs. */
const slowly = { members: 3, delayMs: 30, maxMessageBytes: 1, maxInFlight: 2, pauseMs: 1000, electionTimeout: 500, wildPercent: 0 };

const hunts: readonly [BugName, Hunt][] = [
  ['acknowledgeBeforeFsync', { within: 20, checkers: damage, under: { faults: faultsFrom(['crash', 'crash', 'crashAll']) } }],
  ['commitByCount', { within: 120, checkers: damage, under: { faults: faultsFrom(['figureEight']), conditions: slowly } }],
  ['noPreVote', { within: 40, checkers: ['disruption'], under: { faults: faultsFrom(['heal']), conditions: { members: 3 }, faultyMs: 1000 } }],
  ['watchDropsOnReconnect', { within: 20, checkers: ['watch', 'truth'] }],
  ['keepsRoles', { within: 20, checkers: ['auth'], under: { conditions: { auth: true } } }],
  ['staleRead', { within: 20, checkers: ['revisions', 'linearizable'], under: { conditions: { members: 3 } } }],
];

describe('a planted bug', () => {
  it.each(hunts)('is found: %s', { timeout: 300_000 }, async (bug, { within, checkers, under }) => {
    const found = new Set<string>();
    for (let seed = 1; seed <= within && !checkers.some((checker) => found.has(checker)); seed++) {
      const { findings } = await simulate({ seed, bug, drain, ...under });
      for (const { checker } of findings) found.add(checker);
    }
    expect([...found].some((checker) => checkers.includes(checker)), `found: ${[...found].join()}`).toBe(true);
  });

  it('is not found where there is none', { timeout: 300_000 }, async () => {
    for (const [, { under }] of hunts) expect((await runSeeds({ first: 1, count: 5, drain, ...under })).findings).toEqual([]);
  });
});

describe('simulated clusters of stores', () => {
  it(`keep every promise through ${count} further runs of faults`, { timeout: 60_000 + count * 5_000 }, async () => {
    expect((await runSeeds({ first, count, drain })).findings).toEqual([]);
  });
});
