/**
 * Simulated clusters, each drawn from a seed: `npx nx sim store -- --seed N` replays one and tells what happened,
 * `-- --seeds N` runs many. `--members`, `--seconds` (of faults), `--faults pause,heal`, `--conditions '{"delayMs":30}'` and `--bug` (a planted one) take the place of what
 * the seed would draw; `--trace` tells everything. Ends with 1 when a checker found something.
 */
import { parseArgs } from 'node:util';
import { type BugName, bugs } from '../src/simulation/bugs.ts';
import { type Faults, faultsFrom } from '../src/simulation/nemesis.ts';
import { type Conditions, type Outcome, simulate } from '../src/simulation/scenario.ts';

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    members: { type: 'string' },
    seconds: { type: 'string' },
    bug: { type: 'string' },
    faults: { type: 'string' },
    conditions: { type: 'string', default: '{}' },
    trace: { type: 'boolean', default: false },
  },
});

// Most errors here are answers: where they were made tells nothing, and costs more than anything else.
Error.stackTraceLimit = 0;
const drain = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const whole = (text: string | undefined, flag: string): number | undefined => {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`--${flag} takes a whole number, not ${text}`);
  return Number(text);
};

const faults: Faults | undefined = flags.faults === undefined ? undefined : faultsFrom(flags.faults.split(','));

function run(seed: number, trace?: (line: string) => void): Promise<Outcome> {
  const seconds = whole(flags.seconds, 'seconds');
  const members = whole(flags.members, 'members');
  const conditions = { ...(JSON.parse(flags.conditions) as Partial<Conditions>), ...(members === undefined ? {} : { members }) };
  if (flags.bug !== undefined && !(flags.bug in bugs)) throw new Error(`--bug is one of ${Object.keys(bugs).join()}`);
  return simulate({ seed, drain, trace, conditions, faultyMs: seconds === undefined ? undefined : seconds * 1000, bug: flags.bug as BugName | undefined, faults });
}

const summary = ({ seed, findings, calls, acknowledged, revision, events, leases, leaderChanges, undecided, virtualMs }: Outcome): string =>
  `seed ${seed}: ${findings.length ? 'FAILED' : 'ok'}; ${acknowledged} of ${calls} requests acknowledged, ${revision} revisions, ${events} events watched, ${leases} leases, ${leaderChanges} leaders, ${undecided} keys undecided, ${virtualMs / 1000} s`;

async function replay(seed: number): Promise<number> {
  const interesting = /FAULT|FOUND|leads|serves|starts|heals|resumes|well|faults end|^ *\d+ seed/;
  const outcome = await run(seed, (line) => (flags.trace || interesting.test(line)) && console.log(line));
  for (const { checker, message } of outcome.findings) console.log(`${checker}: ${message}`);
  console.log(summary(outcome));
  return outcome.findings.length;
}

async function many(): Promise<number> {
  const first = whole(flags.from, 'from') as number;
  const count = whole(flags.seeds, 'seeds') as number;
  const started = performance.now();
  let [failed, calls] = [0, 0];
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await run(seed);
    calls += outcome.calls;
    if (outcome.findings.length) {
      failed += 1;
      console.log(`${summary(outcome)}\n  ${outcome.findings[0]?.checker}: ${outcome.findings[0]?.message}`);
    }
    if ((seed - first + 1) % 100 === 0) console.log(`${seed - first + 1} seeds, ${failed} failed, ${((1000 * (seed - first + 1)) / (performance.now() - started)).toFixed(1)} seeds/s, ${calls} requests`);
  }
  console.log(`${count} seeds, ${failed} failed, ${((1000 * count) / (performance.now() - started)).toFixed(1)} seeds/s, ${calls} requests`);
  return failed;
}

const seed = whole(flags.seed, 'seed');
process.exitCode = (await (seed === undefined ? many() : replay(seed))) > 0 ? 1 : 0;
