import { AlarmRequest_AlarmAction as AlarmAction } from '@orrery/proto/etcd';
import type { Machine } from './cluster.ts';
import type { Finding } from './history.ts';
import { repair } from './nemesis.ts';
import type { Lab } from './lab.ts';
import type { WatchClient } from './watch-client.ts';

/** Within this time after the last fault every member serves again: the longest request, two elections, a snapshot. */
const healMs = 20_000;
/** Everything that was let go is over by then: the longest lease, counted anew after an election. */
const leasesMs = 6_000;
/** A member that is away this long has stood for election several times. */
const awayMs = 6_000;
const attemptMs = 3_000;
const stepMs = 50;

/** A judgement that needs the cluster itself. */
class Trial {
  readonly findings: Finding[] = [];
  private readonly lab: Lab;

  constructor(lab: Lab) {
    this.lab = lab;
  }

  found(checker: string, message: string): void {
    this.findings.push({ checker, message });
    this.lab.trace(`FOUND ${checker}: ${message}`);
  }

  /** Lets time pass until the promise is settled; undefined when it fails, or takes too long. */
  async within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
    const { time } = this.lab;
    let result: { value: T } | 'failed' | undefined;
    promise.then((value) => (result = { value }), () => (result = 'failed'));
    const end = time.monotonic() + ms;
    do await time.advance(stepMs);
    while (result === undefined && time.monotonic() < end);
    return typeof result === 'object' ? result.value : undefined;
  }

  /** Tries until `attempt` succeeds; false when it does not in time. */
  async eventually(ms: number, attempt: () => Promise<boolean>): Promise<boolean> {
    const { time } = this.lab;
    const end = time.monotonic() + ms;
    while (time.monotonic() < end) {
      // What is asked of a member that then dies is never answered.
      if (await this.within(Math.min(attemptMs, end - time.monotonic()), attempt())) return true;
      await time.advance(stepMs);
    }
    return false;
  }
}

/** The members that the cluster says it has, once each runs and follows. */
async function gather(lab: Lab, trial: Trial): Promise<Machine[] | undefined> {
  const { machines } = lab.cluster;
  let members: readonly Machine[] = machines;
  const isWhole = await trial.eventually(healMs, async () => {
    repair(lab, members, 100);
    const leader = lab.cluster.leaders().at(-1);
    if (!leader) return false;
    const { members: listed = [] } = await lab.cluster.directly(leader).cluster.memberList({ linearizable: true });
    const urls = listed.flatMap(({ peerURLs = [] }) => peerURLs);
    // A store that knows of no cluster has no address for others.
    if (machines.length > 1) members = machines.filter(({ url }) => urls.includes(url));
    return lab.changes === 0 && !lab.isStaged && members.every(({ status }) => status !== undefined && status.leader === leader.status?.id && status.term === leader.status.term);
  });
  return isWhole ? [...members] : undefined;
}

async function disarm(lab: Lab, machine: Machine): Promise<void> {
  const { maintenance } = lab.cluster.directly(machine);
  const { alarms = [] } = await maintenance.alarm({ action: AlarmAction.GET });
  if (alarms.length) await maintenance.alarm({ action: AlarmAction.DEACTIVATE });
}

/** Whether each voter takes a write. */
async function serve(lab: Lab, trial: Trial, members: readonly Machine[]): Promise<void> {
  for (const machine of members) {
    const served = await trial.eventually(healMs, async () => {
      // One that has just come may not know yet that it is one.
      if (machine.status?.isLearner) return true;
      await disarm(lab, machine);
      await lab.cluster.directly(machine).kv.deleteRange({ key: Buffer.from('nothing') });
      return true;
    });
    if (!served) trial.found('liveness', `${machine.name} takes no writes ${healMs} ms after the last fault`);
  }
}

/** The same data on every member: hash and compaction at the same revision. */
async function compare(lab: Lab, trial: Trial, members: readonly Machine[]): Promise<number> {
  const voters = members.filter(({ status }) => !status?.isLearner);
  let last = '';
  let revision = 0;
  const agree = await trial.eventually(healMs, async () => {
    const hashes = await Promise.all(voters.map(async (machine) => {
      const { maintenance, kv } = lab.cluster.directly(machine);
      await kv.range({ key: Buffer.from('k0') });
      return { ...(await maintenance.hashKV({})), name: machine.name };
    }));
    revision = hashes[0]?.hashRevision ?? 0;
    last = hashes.map(({ name, hash, hashRevision, compactRevision }) => `${name}: ${hash} at ${hashRevision}, compacted at ${compactRevision}`).join('; ');
    return new Set(hashes.map(({ hash, hashRevision, compactRevision }) => `${hash} ${hashRevision} ${compactRevision}`)).size === 1;
  });
  if (!agree) trial.found('hash', `members differ: ${last}`);
  return revision;
}

/** Of the members that follow: whom, and in which term. */
function reignOf(machines: readonly Machine[]): string {
  return [...new Set(machines.map(({ status }) => `${status?.leader} in term ${status?.term}`))].join(', ');
}

/**
 * A member that was away for several elections, and perhaps taken out meanwhile, comes back to a cluster that is well: nobody
 * there may notice. This is what pre-vote is for. Returns who is a member then.
 */
async function comeBack(lab: Lab, trial: Trial, members: readonly Machine[]): Promise<readonly Machine[]> {
  const { cluster, time } = lab;
  const leader = cluster.leaders().at(-1);
  const followers = members.filter((machine) => machine !== leader && !machine.status?.isLearner);
  if (!leader || followers.length < 2 || members.some(({ status }) => status?.isLearner)) return members;
  // No delay that could be taken for the death of a leader.
  cluster.network.weather.delayMs = 2;
  await time.advance(awayMs / 4);
  const away = lab.pick(followers);
  const rest = members.filter((machine) => machine !== away);
  const before = reignOf(rest);
  const isRemoved = lab.chance(30);
  lab.trace(`${away.name} goes away${isRemoved ? ', and is taken out' : ''}; the leader is ${before}`);
  for (const other of cluster.machines) if (other !== away) (cluster.network.cutLink(away, other), cluster.network.cutLink(other, away));
  await time.advance(awayMs / 2);
  if (isRemoved && !(await trial.within(healMs, cluster.directly(leader).cluster.memberRemove({ ID: away.status?.id ?? '0' })))) trial.found('liveness', `${away.name}, being away, cannot be taken out`);
  await time.advance(awayMs / 2);
  cluster.network.heal();
  await time.advance(awayMs);
  const after = reignOf(rest);
  if (after !== before) trial.found('disruption', `${away.name} came back, and the leader was ${before} before, ${after} after`);
  return isRemoved ? rest : members;
}

/**
 * Ends the faults, waits for what must come of itself, and asks the cluster what only it knows. `isWell`: everything that
 * takes time had it.
 */
export async function judge(lab: Lab, { watches, background }: { watches: readonly WatchClient[]; background: readonly Promise<void>[] }): Promise<{ findings: Finding[]; isWell: boolean }> {
  const trial = new Trial(lab);
  lab.trace('the faults end');
  lab.isCalm = true;
  lab.cluster.network.heal();
  lab.cluster.network.weather.wildPercent = 0;
  lab.cluster.mendDisks();
  for (const { process } of lab.cluster.machines) process?.resume();
  const members = await gather(lab, trial);
  if (!members) {
    trial.found('liveness', `no leader that all members follow ${healMs} ms after the last fault: ${JSON.stringify(lab.cluster.machines.map(({ name, status }) => [name, status ?? 'down']))}`);
    lab.isEnding = lab.isOver = true;
    return { findings: trial.findings, isWell: false };
  }
  await serve(lab, trial, members);
  lab.isEnding = true;
  const remaining = lab.chance(40) ? await comeBack(lab, trial, members) : members;
  await lab.time.advance(leasesMs);
  const revision = await compare(lab, trial, remaining);
  const told = await trial.eventually(healMs, async () => watches.every(({ next }) => next > revision));
  if (!told) trial.found('watch', `${watches.map(({ record: { id }, next }) => `${id} is at ${next - 1}`).join()}, the cluster at ${revision}, ${healMs} ms later`);
  lab.isOver = true;
  for (const watch of watches) watch.stop();
  const ended = await trial.within(healMs, Promise.all(background).then(() => true));
  if (!ended) trial.found('liveness', `some client's request never ended`);
  return { findings: trial.findings, isWell: trial.findings.length === 0 };
}
