import { seededRandom } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { RaftSimulation, type SimulationOptions } from './testing/raft-simulation.ts';

const first = Number(process.env['ORRERY_SEED']) || 1;
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 60);

function run(seed: number, options: Partial<SimulationOptions> = {}): RaftSimulation {
  const random = seededRandom(seed);
  const simulation = new RaftSimulation({ random, members: [1, 2, 3, 3, 3, 5][random.int(6)] as number, ...options });
  try {
    for (let i = 0; i < 600; i++) {
      if (random.int(3) === 0) simulation.propose();
      if (random.int(5) === 0) simulation.read();
      simulation.step();
    }
    simulation.settle();
  } catch (error) {
    throw new Error(`seed ${seed}, step ${simulation.now}: ${(error as Error).message}`, { cause: error });
  }
  return simulation;
}

describe('Raft, simulated', () => {
  it(`keeps one history through ${seeds} runs of loss, partitions, crashes and changing members, and goes on afterwards`, { timeout: 120_000 }, () => {
    let reads = 0;
    let commands = 0;
    for (let seed = first; seed < first + seeds; seed++) {
      const simulation = run(seed);
      reads += simulation.reads;
      commands += simulation.acknowledged.length;
    }
    expect(commands).toBeGreaterThan(seeds * 50);
    expect(reads).toBeGreaterThan(seeds * 5);
  });

  it('does so when members crash all the time', { timeout: 120_000 }, () => {
    for (let seed = first; seed < first + seeds / 2; seed++) run(seed, { rough: true });
  });

  it('is the same again from the same seed', () => {
    const [one, two] = [run(7), run(7)];
    expect(one.acknowledged).toEqual(two.acknowledged);
  });

  it.each([['ackBeforeSync'], ['forgetVote']] as const)('finds a planted bug: %s', { timeout: 120_000 }, (bug) => {
    const failures = Array.from({ length: 400 }, (_, i) => i + 1).find((seed) => {
      try {
        // Without the polite questions beforehand, which hide most double votes.
        run(seed, { bug, rough: true, members: 3, raft: { preVote: false, checkQuorum: false } });
        return false;
      } catch {
        return true;
      }
    });
    expect(failures).toBeDefined();
  });
});
