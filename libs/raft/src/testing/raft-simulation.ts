import assert from 'node:assert/strict';
import type { Random } from '@orrery/runtime';
import { type ConfChange, type Configuration, type Entry, type HardState, type MemberId, type Message, Raft, RaftLog, type RaftOptions, type Ready } from '../index.ts';

/** What survives a crash of a member: its disk. */
interface Disk {
  hardState: HardState;
  snapshot: { index: number; term: number; configuration: Configuration; state: readonly string[] };
  entries: Entry[];
}

interface Member {
  readonly id: MemberId;
  raft: Raft | undefined;
  disk: Disk;
  /** The state machine: every command applied, in order. */
  state: string[];
  /** A write to disk on its way: lost in a crash. */
  writing: { ready: Ready; dueAt: number; state: readonly string[] | undefined } | undefined;
}

interface Flight {
  readonly message: Message;
  readonly dueAt: number;
  /** Of a snapshot: the sender's state when it was sent. */
  readonly state: readonly string[] | undefined;
}

export interface SimulationOptions {
  readonly random: Random;
  readonly members: number;
  /** A planted bug: shows that the checks would find it. */
  readonly bug?: 'ackBeforeSync' | 'forgetVote';
  /** Members crash and come back far more often. */
  readonly rough?: boolean;
  readonly raft?: Partial<RaftOptions>;
}

const chance = (random: Random, percent: number): boolean => random.int(100) < percent;

/**
 * A cluster of Raft members in one thread: messages are lost, doubled, delayed and reordered, links cut, members crash with
 * what their disks had not synced, members come and go. After every step the safety of Raft is checked.
 */
export class RaftSimulation {
  readonly members = new Map<MemberId, Member>();
  now = 0;
  /** Commands whose proposer was told that they are committed. */
  readonly acknowledged: string[] = [];
  reads = 0;
  private readonly options: SimulationOptions;
  private readonly random: Random;
  private flights: Flight[] = [];
  private cut = new Set<string>();
  private readonly leaders = new Map<number, MemberId>();
  /** The one history: what was ever applied anywhere, by position. */
  private readonly history: string[] = [];
  private nextCommand = 0;
  private nextRead = 1;
  private readonly pendingReads = new Map<number, { atLeast: number }>();
  faults = true;
  private readonly initial: Configuration;

  constructor(options: SimulationOptions) {
    this.options = options;
    this.random = options.random;
    const voters = Array.from({ length: options.members }, (_, i) => String(i + 1));
    this.initial = { voters, learners: [] };
    for (const id of voters) this.add(id, this.initial);
  }

  private add(id: MemberId, configuration: Configuration): void {
    const disk: Disk = { hardState: { term: 0, vote: '', commit: 0 }, snapshot: { index: 0, term: 0, configuration, state: [] }, entries: [] };
    const member: Member = { id, raft: undefined, disk, state: [], writing: undefined };
    this.members.set(id, member);
    this.start(member);
  }

  private start(member: Member): void {
    const { snapshot, entries, hardState } = member.disk;
    const vote = this.options.bug === 'forgetVote' ? '' : hardState.vote;
    const log = new RaftLog({ snapshot, entries, committed: snapshot.index, applied: snapshot.index });
    member.raft = new Raft({ id: member.id, log, hardState: { ...hardState, vote }, configuration: snapshot.configuration, random: (bound) => this.random.int(bound), maxInFlight: 4, maxMessageBytes: 200, ...this.options.raft });
    member.state = [...snapshot.state];
    member.writing = undefined;
  }

  crash(member: Member): void {
    // What the disk was writing may have got there in part; here: not at all.
    member.raft = undefined;
    member.writing = undefined;
  }

  /** One step of time: every member ticks, what is due arrives, disks finish. */
  step(): void {
    this.now += 1;
    if (this.faults) this.disturb();
    const due = this.flights.filter((flight) => flight.dueAt <= this.now);
    this.flights = this.flights.filter((flight) => flight.dueAt > this.now);
    for (const flight of due) this.deliver(flight);
    for (const member of this.members.values()) {
      if (!member.raft) continue;
      member.raft.tick();
      this.pump(member);
    }
    this.check();
  }

  private disturb(): void {
    const { random } = this;
    const all = [...this.members.values()];
    const some = all[random.int(all.length)] as Member;
    const { rough = false } = this.options;
    if (chance(random, rough ? 15 : 2) && some.raft) this.crash(some);
    else if (chance(random, rough ? 80 : 12) && !some.raft) this.start(some);
    if (chance(random, 3)) this.cut = new Set(all.flatMap(({ id }) => all.filter(() => chance(random, 35)).map((other) => `${id}>${other.id}`)));
    else if (chance(random, 6)) this.cut.clear();
    if (chance(random, 2) && some.raft) some.raft.transferLeader((all[random.int(all.length)] as Member).id);
    if (chance(random, 3) && some.raft) this.compact(some);
    if (chance(random, 2)) this.changeMembers(some);
  }

  private changeMembers(by: Member): void {
    const leader = [...this.members.values()].find(({ raft }) => raft?.status.role === 'leader');
    const { voters, learners } = leader?.raft?.status.configuration ?? { voters: [], learners: [] };
    if (!leader?.raft || voters.length === 0) return;
    const fresh = String(this.members.size + 1);
    const change: ConfChange =
      voters.length + learners.length < 5 && chance(this.random, 50)
        ? { type: chance(this.random, 50) ? 'addLearner' : 'addVoter', member: fresh }
        : learners.length && chance(this.random, 60)
          ? { type: 'addVoter', member: learners[0] as MemberId }
          : voters.length > 2
            ? { type: 'remove', member: by.id }
            : { type: 'update', member: by.id };
    if (leader.raft.propose([{ type: 'confChange', change }]) === undefined && change.member === fresh && change.type !== 'update') {
      // It begins as the cluster began, and learns what has changed since with the log or a snapshot.
      this.add(fresh, this.initial);
    }
  }

  private compact(member: Member): void {
    const { raft, disk, state } = member;
    if (!raft || member.writing) return;
    const { applied } = raft.status;
    const term = raft.log.termAt(applied);
    if (term === undefined || applied <= disk.snapshot.index) return;
    disk.snapshot = { index: applied, term, configuration: raft.status.configuration, state: [...state] };
    disk.entries = disk.entries.filter(({ index }) => index > applied);
    raft.compact(applied);
  }

  propose(): void {
    const up = [...this.members.values()].filter(({ raft }) => raft);
    const member = up[this.random.int(Math.max(1, up.length))];
    if (!member?.raft) return;
    const command = `c${this.nextCommand++}`;
    member.raft.propose([{ type: 'normal', data: Buffer.from(command) }]);
  }

  read(): void {
    const up = [...this.members.values()].filter(({ raft }) => raft);
    const member = up[this.random.int(Math.max(1, up.length))];
    if (!member?.raft) return;
    const requestId = this.nextRead++;
    this.pendingReads.set(requestId, { atLeast: this.acknowledged.length });
    member.raft.readIndex(requestId);
  }

  private pump(member: Member): void {
    const { raft } = member;
    if (!raft) return;
    if (member.writing) {
      if (member.writing.dueAt > this.now) return;
      this.finishWrite(member);
    }
    for (let ready = raft.ready(); ready && !member.writing; ready = member.raft?.ready()) {
      this.send(member, ready.messages);
      if (this.options.bug === 'ackBeforeSync') this.send(member, ready.afterPersist);
      this.apply(member, ready);
      const slow = ready.mustSync ? this.random.int(3) : 0;
      member.writing = { ready, dueAt: this.now + slow, state: ready.snapshot ? [...member.state] : undefined };
      if (slow === 0) this.finishWrite(member);
    }
  }

  private finishWrite(member: Member): void {
    const { disk, raft } = member;
    const { ready, state } = member.writing as NonNullable<Member['writing']>;
    member.writing = undefined;
    disk.hardState = ready.hardState;
    if (ready.snapshot && state) {
      disk.snapshot = { ...ready.snapshot, state };
      disk.entries = [];
    }
    const [first] = ready.entries;
    if (first) disk.entries = [...disk.entries.filter(({ index }) => index < first.index), ...ready.entries];
    raft?.persisted(ready);
    if (this.options.bug !== 'ackBeforeSync') this.send(member, ready.afterPersist);
  }

  private apply(member: Member, ready: Ready): void {
    const raft = member.raft as Raft;
    for (const entry of ready.committed) {
      if (entry.type === 'confChange') raft.applyConfChange(entry.change);
      const command = entry.type === 'normal' ? Buffer.from(entry.data).toString() : entry.type;
      member.state.push(command);
      const known = this.history[entry.index - 1];
      assert.ok(known === undefined || known === command, `entry ${entry.index} is ${known} here and ${command} on ${member.id}`);
      if (known === undefined) {
        assert.equal(this.history.length, entry.index - 1, `entry ${entry.index} applied on ${member.id} before those ahead of it`);
        this.history.push(command);
        this.acknowledged.push(command);
      }
      raft.applied(entry.index);
    }
    for (const { requestId, index } of ready.reads) {
      const read = this.pendingReads.get(requestId);
      this.pendingReads.delete(requestId);
      if (!read) continue;
      this.reads += 1;
      assert.ok(index >= read.atLeast, `a read at ${index} misses what was acknowledged before it (${read.atLeast})`);
    }
  }

  private send(from: Member, messages: readonly Message[]): void {
    for (const message of messages) {
      const state = message.type === 'snapshot' ? from.state.slice(0, message.snapshot.index) : undefined;
      if (state && message.type === 'snapshot') assert.equal(state.length, message.snapshot.index, 'a snapshot of what is not applied');
      const copies = this.faults && chance(this.random, 3) ? 2 : 1;
      for (let i = 0; i < copies; i++) {
        if (this.faults && chance(this.random, 5)) {
          if (message.type === 'snapshot') from.raft?.reportSnapshot(message.to, false);
          else if (chance(this.random, 50)) from.raft?.reportUnreachable(message.to);
          continue;
        }
        this.flights.push({ message, state, dueAt: this.now + 1 + (this.faults ? this.random.int(chance(this.random, 10) ? 20 : 3) : 0) });
      }
    }
  }

  private deliver({ message, state }: Flight): void {
    const to = this.members.get(message.to);
    // A member takes a snapshot in only when its disk is done: what it holds must not mix with what is being written.
    const isTaken = to?.raft && !this.cut.has(`${message.from}>${message.to}`) && !(message.type === 'snapshot' && to.writing);
    if (!to?.raft || !isTaken) {
      // Whoever streams a snapshot notices that it did not get there.
      if (message.type === 'snapshot') this.members.get(message.from)?.raft?.reportSnapshot(message.to, false);
      return;
    }
    const before = to.raft.log.snapshotMeta.index;
    to.raft.step(message);
    if (message.type === 'snapshot') {
      this.members.get(message.from)?.raft?.reportSnapshot(message.to, true);
      if (to.raft.log.snapshotMeta.index !== before) to.state = [...(state as readonly string[])];
    }
    this.pump(to);
  }

  private check(): void {
    for (const { id, raft } of this.members.values()) {
      if (raft?.status.role !== 'leader') continue;
      const { term } = raft.status;
      const known = this.leaders.get(term) ?? id;
      assert.equal(known, id, `two leaders in term ${term}: ${known} and ${id}`);
      this.leaders.set(term, id);
    }
    for (const { id, state } of this.members.values()) {
      const upTo = state.length;
      assert.ok(upTo <= this.history.length, `${id} has applied what nobody has`);
      assert.equal(state.at(-1), this.history[upTo - 1], `${id} has applied something else at ${upTo}`);
    }
  }

  /** Ends all faults and waits until everyone who counts has applied the same. */
  settle(steps = 400): void {
    this.faults = false;
    this.cut.clear();
    for (const member of this.members.values()) if (!member.raft) this.start(member);
    const before = this.acknowledged.length;
    for (let i = 0; i < steps; i++) {
      if (i % 10 === 0) this.propose();
      this.step();
    }
    assert.ok(this.acknowledged.length > before, 'nothing is committed any more');
    const leader = [...this.members.values()].find(({ raft }) => raft?.status.role === 'leader');
    assert.ok(leader?.raft, 'there is no leader');
    for (let i = 0; i < 100; i++) this.step();
    const { voters, learners } = leader.raft.status.configuration;
    for (const id of [...voters, ...learners]) {
      const member = this.members.get(id) as Member;
      assert.ok(this.history.length - member.state.length < 5, `${id} is ${this.history.length - member.state.length} entries behind`);
    }
  }
}
