import { type Outcome, type ScenarioOptions, simulate } from './scenario.ts';

/** What many runs came to. */
export interface Tally {
  /** One line a finding, each with how to see it again. */
  readonly findings: readonly string[];
  readonly acknowledged: number;
  readonly events: number;
  readonly leases: number;
  readonly leaderChanges: number;
  readonly undecided: number;
}

export function findingsOf({ seed, findings }: Outcome): string[] {
  return findings.map(({ checker, message }) => `npx nx sim store -- --seed ${seed}: ${checker}: ${message}`);
}

/** Runs `count` seeds from `first` on, one after the other. */
export async function runSeeds({ first, count, ...options }: Omit<ScenarioOptions, 'seed'> & { first: number; count: number }): Promise<Tally> {
  const outcomes: Outcome[] = [];
  for (let seed = first; seed < first + count; seed++) outcomes.push(await simulate({ ...options, seed }));
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0);
  return {
    findings: outcomes.flatMap(findingsOf),
    acknowledged: sum(({ acknowledged }) => acknowledged),
    events: sum(({ events }) => events),
    leases: sum(({ leases }) => leases),
    leaderChanges: sum(({ leaderChanges }) => leaderChanges),
    undecided: sum(({ undecided }) => undecided),
  };
}
