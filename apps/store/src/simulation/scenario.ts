import { type Random, VirtualClock, seededRandom } from '@orrery/runtime';
import { type BugName, bugs } from './bugs.ts';
import { checkAuth } from './check/auth.ts';
import { checkLeases } from './check/leases.ts';
import { checkLinearizable } from './check/linearizable.ts';
import { checkRevisions } from './check/revisions.ts';
import { establish } from './check/truth.ts';
import { checkWatches } from './check/watches.ts';
import { Cluster } from './cluster.ts';
import type { Finding } from './history.ts';
import { runKvClient, sharedKeys } from './kv-client.ts';
import { Lab } from './lab.ts';
import { runLeaseClient } from './lease-client.ts';
import { type Faults, runNemesis } from './nemesis.ts';
import { runAdministrator, runWorker } from './auth-clients.ts';
import { runCompactions } from './compaction.ts';
import { judge } from './finale.ts';
import { WatchClient } from './watch-client.ts';

export interface ScenarioOptions {
  readonly seed: number;
  /** In place of what the seed would draw. */
  readonly conditions?: Partial<Conditions> | undefined;
  /** How long faults go on, virtual milliseconds. */
  readonly faultyMs?: number | undefined;
  readonly bug?: BugName | undefined;
  /** Faults and how often each; drawn when left out. */
  readonly faults?: Faults | undefined;
  /** Lets everything that is ready run; of the platform. */
  readonly drain: () => Promise<void>;
  readonly trace?: ((line: string) => void) | undefined;
}

export interface Outcome {
  readonly seed: number;
  readonly findings: readonly Finding[];
  /** Requests of clients, and how many of them were acknowledged. */
  readonly calls: number;
  readonly acknowledged: number;
  readonly revision: number;
  /** Events that watches were told of. */
  readonly events: number;
  readonly leases: number;
  readonly leaderChanges: number;
  /** Keys whose order could not be searched to the end. */
  readonly undecided: number;
  readonly virtualMs: number;
}

const usualFaultyMs = 12_000;

const everyFault: Faults = { crash: 4, crashLeader: 3, crashFresh: 1, orphan: 2, figureEight: 1, crashAll: 1, isolate: 3, isolateLeader: 3, split: 2, cutOne: 2, heal: 7, pause: 3, stop: 1, slowDisk: 1, fullDisk: 1, failSync: 1, mendDisks: 3, jumpClock: 1, moveLeader: 1, changeMembers: 2 };
const faultsOfOne: Faults = { crash: 5, pause: 2, stop: 1, slowDisk: 1, fullDisk: 2, failSync: 1, mendDisks: 4, jumpClock: 1 };

/** Some runs have every fault, others a few of them, oftener. */
function drawFaults(random: Random, members: number): Faults {
  const all: Faults = members > 1 ? everyFault : faultsOfOne;
  if (random.int(2) === 0) return all;
  const some = Object.entries(all).filter(() => random.int(3) === 0);
  return { heal: 4, mendDisks: 2, ...Object.fromEntries(some) };
}

/** What the run is like as a whole. */
export interface Conditions {
  /** 0 is a store that knows nothing of clusters. */
  readonly members: number;
  /** Longest pause between faults, milliseconds. */
  readonly pauseMs: number;
  /** Longest ordinary delay of a message. */
  readonly delayMs: number;
  /** Of a hundred messages that may be lost, doubled or overtaken. */
  readonly wildPercent: number;
  readonly electionTimeout: number;
  readonly snapshotCount: number;
  readonly watchProgressNotifySeconds: number;
  /** Small messages, and few on their way, make every step of replication visible. */
  readonly maxMessageBytes: number;
  readonly maxInFlight: number;
  /** Few bytes, and history alone fills them now and then: the NOSPACE alarm. */
  readonly quotaBackendBytes: number;
  /** Authentication is turned on, and a user's permission comes and goes. */
  readonly auth: boolean;
}

function drawConditions(random: Random): Conditions {
  const one = (...values: number[]): number => values[random.int(values.length)] as number;
  return {
    members: one(0, 1, 3, 3, 3, 3, 5, 5),
    pauseMs: one(300, 1000, 2500),
    delayMs: one(2, 5, 30),
    wildPercent: one(0, 0, 5, 20),
    electionTimeout: one(500, 750, 1000),
    snapshotCount: one(10, 40, 150),
    watchProgressNotifySeconds: one(1, 2, 3),
    maxMessageBytes: one(1, 100, 1000, 1_000_000),
    maxInFlight: one(2, 256),
    quotaBackendBytes: one(1e9, 1e9, 1e9, 20_000),
    auth: one(0, 0, 1) === 1,
  };
}

/** What one seed stands for. */
function prepare(options: ScenarioOptions): { lab: Lab; faults: Faults; pauseMs: number; auth: boolean } {
  const random = seededRandom(options.seed);
  const time = new VirtualClock({ drain: options.drain });
  const trace = (line: string): void => options.trace?.(`${String(Math.round(time.monotonic())).padStart(6)} ${line}`);
  const conditions = { ...drawConditions(random), ...options.conditions };
  const { members, pauseMs, delayMs, wildPercent, maxMessageBytes, maxInFlight, auth, ...settings } = conditions;
  const cluster = new Cluster({ time, random, trace, settings, raft: { maxMessageBytes, maxInFlight }, bug: options.bug && bugs[options.bug] });
  Object.assign(cluster.network.weather, { delayMs, wildPercent });
  const names = Array.from({ length: Math.max(1, members) }, (_, i) => `m${i + 1}`);
  const initialCluster = names.map((name) => `${name}=${name}:2380`);
  for (const name of names) cluster.add(name, members === 0 ? {} : { listenPeer: [`${name}:2380`], initialCluster });
  const faults = options.faults ?? drawFaults(random, members);
  trace(`seed ${options.seed}: ${JSON.stringify({ conditions, faults })}`);
  return { lab: new Lab({ time, random, cluster, trace }), faults, pauseMs, auth };
}

/** Notes who leads, every so often. */
function watchLeaders(lab: Lab): { changes: number } {
  const found = { changes: 0 };
  let known = '';
  lab.time.every(100, () => {
    const last = lab.cluster.leaders().at(-1);
    const now = last ? `${last.name} in term ${last.status?.term}` : '';
    if (now && now !== known) {
      found.changes += 1;
      lab.trace(`${now} leads`);
      known = now;
    }
    lab.cluster.observe().catch((error: unknown) => lab.trace(`cannot observe: ${(error as Error).message}`));
  });
  return found;
}

/** Runs one seed to its end, and judges it. The same seed gives the same run, to the byte. */
export async function simulate(options: ScenarioOptions): Promise<Outcome> {
  const { lab, faults, pauseMs, auth } = prepare(options);
  const { time, history } = lab;
  const faultyMs = options.faultyMs ?? usualFaultyMs;
  const leaders = watchLeaders(lab);
  for (const machine of lab.cluster.machines) lab.cluster.start(machine);
  const watches = [
    new WatchClient(lab, { id: 'w-all', key: undefined, withPrevious: true }),
    new WatchClient(lab, { id: 'w-too', key: undefined, withPrevious: false }),
    new WatchClient(lab, { id: 'w-k0', key: 'k0', withPrevious: false }),
  ];
  // Nothing that runs in the background may fail unseen.
  const background = [
    ...watches.map((watch) => watch.run()),
    ...['c1', 'c2', 'c3'].map((name) => runKvClient(lab, name)),
    ...['l1', 'l2', 'l3'].map((name) => runLeaseClient(lab, name)),
    runCompactions(lab, watches.slice(0, 2)),
    ...(auth ? [runAdministrator(lab), runWorker(lab)] : []),
    runNemesis(lab, { faults, pauseMs, until: () => time.monotonic() >= faultyMs }),
  ];
  await time.advance(faultyMs + pauseMs + 100);
  const { findings, isWell } = await judge(lab, { watches, background });
  const { truth, findings: contradictions } = establish(history);
  const search = checkLinearizable(history, sharedKeys);
  return {
    seed: options.seed,
    findings: [...findings, ...contradictions, ...checkRevisions(history, truth), ...checkWatches(history, truth), ...checkLeases(history, truth, { isWell }), ...checkAuth(history, 'amy'), ...search.findings],
    calls: history.calls.length,
    acknowledged: history.calls.filter(({ answer }) => answer).length,
    revision: truth.last,
    events: history.watches.reduce((sum, { notices }) => sum + notices.reduce((events, notice) => events + (notice.kind === 'events' ? notice.events.length : 0), 0), 0),
    leases: history.leases.length,
    leaderChanges: leaders.changes,
    undecided: search.undecided,
    virtualMs: time.monotonic(),
  };
}
