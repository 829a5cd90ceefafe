import type { Machine } from './cluster.ts';
import { record, sharedKeys } from './kv-client.ts';
import type { Lab } from './lab.ts';

const electionMs = 8000;
const orphans = 4;
const spreadMs = 1000;

/** Cuts a machine off and, once it has had time to write down what it took, ends it with all that it wrote. */
async function takeDown(lab: Lab, machine: Machine, afterMs: number): Promise<void> {
  const { network } = lab.cluster;
  const { process } = machine;
  for (const other of lab.cluster.machines) if (other !== machine) (network.cutLink(machine, other), network.cutLink(other, machine));
  await lab.time.sleep(afterMs);
  if (process && machine.process === process) lab.cluster.crash(machine, { isSilent: true });
  network.heal();
}

/** The next to lead in a term after `term`; undefined when none does in time. */
async function nextLeader(lab: Lab, term: number): Promise<Machine | undefined> {
  for (const untilMs = lab.nowMs + electionMs; lab.nowMs < untilMs && !lab.isEnding; ) {
    await lab.cluster.observe();
    const leader = lab.cluster.leaders().at(-1);
    if (leader && (leader.status?.term ?? 0) > term) return leader;
    await lab.time.sleep(1);
  }
  return undefined;
}

/** Writes that nobody but this one will have. */
function orphan(lab: Lab, machine: Machine): void {
  const host = lab.host('eight');
  const clients = lab.cluster.clientsFrom(host, machine);
  for (let i = 0; i < orphans; i++) {
    const operation = { kind: 'put', key: lab.pick(sharedKeys), value: lab.freshValue(host.name) } as const;
    record(lab, { client: host.name, member: machine.name, clients }, operation).catch(() => undefined);
  }
}

/** Waits until other machines' disks have written and synced something a few times. */
async function spread(lab: Lab, from: Machine, times: number): Promise<void> {
  const work = (): number => lab.cluster.machines.reduce((sum, machine) => sum + (machine === from ? 0 : machine.disk.steps), 0);
  let known = work();
  for (let left = 2 * times, untilMs = lab.nowMs + spreadMs; left > 0 && lab.nowMs < untilMs; ) {
    await lab.time.sleep(1);
    const now = work();
    if (now !== known) left -= 1;
    known = now;
  }
}

/**
 * The order of failures of figure 8 in the Raft paper, which few draw by chance: a leader dies with entries that nobody else
 * has; so does the next, in its first moment; the first comes back, leads, has begun to spread its old entries, and dies; the
 * second comes back and overwrites them. Nothing of the old entries may have been taken for committed.
 */
async function play(lab: Lab): Promise<void> {
  const { cluster } = lab;
  const first = cluster.leaders().at(-1);
  if (!first?.status) return;
  orphan(lab, first);
  await takeDown(lab, first, 200 + lab.random.int(200));
  const second = await nextLeader(lab, first.status?.term ?? 0);
  if (!second?.status) return;
  const { term } = second.status;
  if (lab.isCalm) return;
  await takeDown(lab, second, 10);
  if (!first.process) cluster.start(first);
  const third = await nextLeader(lab, term);
  lab.trace(`figure 8: ${first.name}, ${second.name}, ${third?.name ?? 'nobody'}`);
  if (third !== first || lab.isCalm) return;
  await spread(lab, first, 1 + lab.random.int(orphans));
  await lab.time.sleep(lab.random.int(60));
  await takeDown(lab, first, 0);
  if (!second.process) cluster.start(second);
  await nextLeader(lab, term + 1);
  if (!first.process) cluster.start(first);
}

export function figureEight(lab: Lab): void {
  if (lab.isStaged || lab.cluster.machines.some(({ process }) => !process)) return;
  lab.trace('FAULT figure 8 begins');
  lab.isStaged = true;
  play(lab)
    .catch((error: unknown) => lab.trace(`figure 8: ${(error as Error).message}`))
    .finally(() => (lab.isStaged = false));
}
