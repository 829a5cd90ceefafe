import type { Loss } from '../testing/memory-disk.ts';
import type { Machine } from './cluster.ts';
import { figureEight } from './figure-eight.ts';
import type { Lab } from './lab.ts';
import { changeMembers } from './members.ts';

/** What may go wrong, and how often beside the others. */
export type FaultName = keyof typeof faults;
export type Faults = Partial<Record<FaultName, number>>;

const losses: readonly Loss[] = ['all lost', 'all lost', 'all kept', 'garbled'];

const running = (lab: Lab): Machine[] => lab.cluster.machines.filter(({ process }) => process);

/** The one that leads, as far as anyone can tell. */
export function leaderOf(lab: Lab): Machine | undefined {
  return lab.cluster.leaders().at(-1);
}

const pickRunning = (lab: Lab): Machine | undefined => {
  const machines = running(lab);
  return machines.length ? lab.pick(machines) : undefined;
};

function crash(lab: Lab, machine: Machine | undefined): void {
  if (!machine?.process) return;
  const loss = lab.pick(losses);
  const isSilent = lab.chance(50);
  lab.trace(`FAULT ${machine.name} crashes: ${loss}${isSilent ? ', silently' : ''}`);
  lab.cluster.crash(machine, { isSilent, loss });
}

/** The leader takes writes that reach nobody, and dies with them. */
function orphan(lab: Lab): void {
  const leader = leaderOf(lab);
  const { process } = leader ?? {};
  if (!leader || !process) return;
  lab.trace(`FAULT ${leader.name} is alone, and will die so`);
  for (const other of lab.cluster.machines) if (other !== leader) lab.cluster.network.cutLink(leader, other);
  lab.time.after(50 + lab.random.int(400), () => {
    if (leader.process === process && !lab.isCalm) crash(lab, leader);
    lab.cluster.network.heal();
  });
}

/** The next leader dies at the very beginning of its term. */
function crashFresh(lab: Lab): void {
  const known = leaderOf(lab)?.status?.term ?? 0;
  const untilMs = lab.nowMs + 4000;
  lab.trace('FAULT the next leader will not last');
  const timer = lab.time.every(3, () => {
    if (lab.nowMs > untilMs || lab.isCalm) return timer.cancel();
    const leader = leaderOf(lab);
    if (leader?.status && leader.status.term > known) {
      timer.cancel();
      lab.time.after(lab.random.int(20), () => lab.isCalm || crash(lab, leader));
    } else lab.cluster.observe().catch((error: unknown) => lab.trace(`cannot observe: ${(error as Error).message}`));
  });
}

function cutOff(lab: Lab, machine: Machine | undefined): void {
  if (!machine) return;
  const direction = lab.pick(['both', 'both', 'in', 'out'] as const);
  lab.trace(`FAULT ${machine.name} is cut off: ${direction}`);
  for (const other of lab.cluster.machines) {
    if (other === machine) continue;
    if (direction !== 'in') lab.cluster.network.cutLink(machine, other);
    if (direction !== 'out') lab.cluster.network.cutLink(other, machine);
  }
}

/** What can be done to a cluster. Each ends by itself, or by `repair`. */
const faults = {
  crash: (lab: Lab) => crash(lab, pickRunning(lab)),
  crashLeader: (lab: Lab) => crash(lab, leaderOf(lab)),
  crashFresh,
  orphan,
  figureEight,
  crashAll: (lab: Lab) => running(lab).forEach((machine) => crash(lab, machine)),
  isolate: (lab: Lab) => cutOff(lab, pickRunning(lab)),
  isolateLeader: (lab: Lab) => cutOff(lab, leaderOf(lab)),
  split: (lab: Lab) => {
    const { cluster } = lab;
    const side = cluster.machines.filter(() => lab.chance(50));
    lab.trace(`FAULT the network splits: ${side.map(({ name }) => name).join()} from the others`);
    for (const one of side) for (const other of cluster.machines) if (!side.includes(other)) (cluster.network.cutLink(one, other), cluster.network.cutLink(other, one));
  },
  cutOne: (lab: Lab) => {
    const [from, to] = [lab.pick(lab.cluster.machines), lab.pick(lab.cluster.machines)];
    if (from === to) return;
    lab.trace(`FAULT the link from ${from.name} to ${to.name} is cut`);
    lab.cluster.network.cutLink(from, to);
  },
  heal: (lab: Lab) => {
    lab.trace('the network heals');
    lab.cluster.network.heal();
  },
  pause: (lab: Lab) => {
    const machine = lab.chance(50) ? leaderOf(lab) : pickRunning(lab);
    const { process } = machine ?? {};
    if (!process || process.isPaused) return;
    const forMs = 200 + lab.random.int(4000);
    lab.trace(`FAULT ${machine?.name} is paused for ${forMs} ms`);
    process.pause();
    lab.time.after(forMs, () => (lab.trace(`${machine?.name} resumes`), process.resume()));
  },
  stop: (lab: Lab) => {
    const machine = pickRunning(lab);
    if (!machine?.isUp) return;
    lab.trace(`FAULT ${machine.name} is stopped in order`);
    lab.cluster.stop(machine).catch((error: unknown) => lab.trace(`${machine.name} does not stop in order: ${(error as Error).message}`));
  },
  slowDisk: (lab: Lab) => {
    const { health, name } = lab.pick(lab.cluster.machines);
    health.syncMs = 50 + lab.random.int(1000);
    lab.trace(`FAULT the disk of ${name} takes up to ${health.syncMs} ms`);
  },
  fullDisk: (lab: Lab) => {
    const { disk, name } = lab.pick(lab.cluster.machines);
    disk.capacity = disk.usedBytes + lab.random.int(2000);
    lab.trace(`FAULT the disk of ${name} is full at ${disk.capacity} bytes`);
  },
  failSync: (lab: Lab) => {
    const { health, name } = lab.pick(lab.cluster.machines);
    health.failingSyncs = 1;
    lab.trace(`FAULT a sync of ${name} will fail`);
  },
  mendDisks: (lab: Lab) => {
    lab.trace('all disks are well');
    lab.cluster.mendDisks();
  },
  jumpClock: (lab: Lab) => {
    const machine = lab.pick(lab.cluster.machines);
    machine.wallOffsetMs = (lab.random.int(20_001) - 10_000) * 1000;
    if (machine.process) machine.process.wallOffsetMs = machine.wallOffsetMs;
    lab.trace(`FAULT the clock of ${machine.name} is ${machine.wallOffsetMs} ms off`);
  },
  moveLeader: (lab: Lab) => {
    const leader = leaderOf(lab);
    const target = pickRunning(lab)?.store;
    if (!leader?.isUp || !target) return;
    const heir = lab.pick(lab.cluster.machines);
    lab.trace(`FAULT ${heir.name} is to take over from ${leader.name}`);
    lab.cluster.moveLeader(leader, heir).catch((error: unknown) => lab.trace(`it does not: ${(error as Error).message}`));
  },
  changeMembers: (lab: Lab) => changeMembers(lab),
} as const;

/** Each of the faults alike; a name that comes twice counts twice. Throws for one that there is not. */
export function faultsFrom(names: readonly string[]): Faults {
  const weights: Record<string, number> = {};
  for (const name of names) {
    if (!(name in faults)) throw new Error(`there is no fault ${name}; there are ${Object.keys(faults).join()}`);
    weights[name] = (weights[name] ?? 0) + 1;
  }
  return weights;
}

/** Starts again what is down, sooner or later; also what runs but has given up, or was taken out of the cluster. */
export function repair(lab: Lab, machines: readonly Machine[], percent: number): void {
  for (const machine of machines) {
    if (machine.process && machine.isUp && machine.store?.ready() === false && lab.chance(percent)) {
      lab.trace(`${machine.name} has given up`);
      lab.cluster.crash(machine, { isSilent: false });
    }
    if (!machine.process && lab.chance(percent)) lab.cluster.start(machine);
  }
}

/** Draws faults until the run ends. */
export async function runNemesis(lab: Lab, options: { faults: Faults; pauseMs: number; until: () => boolean }): Promise<void> {
  const names = Object.entries(options.faults).flatMap(([name, weight]) => Array.from({ length: weight }, () => name as FaultName));
  while (!options.until()) {
    await lab.time.sleep(50 + lab.random.int(options.pauseMs));
    if (options.until()) return;
    faults[lab.pick(names)](lab);
    if (!lab.isStaged) repair(lab, lab.cluster.machines, 35);
  }
}
