import { realClock } from '@orrery/node-io';
import { type WatchRequest, KVDefinition, MaintenanceDefinition, WatchDefinition } from '@orrery/proto/etcd';
import { RpcError, createClient } from '@orrery/rpc';
import { expect } from 'vitest';
import type { MemberProcess } from './members.ts';

const prefix = 'load/';
const range = { key: Buffer.from(prefix), rangeEnd: Buffer.from('load0') };
const callMs = 1500;
const patienceMs = 60_000;

/** A change as a watcher is told of it. */
type Seen = readonly [key: string, revision: number];

/** Follows one member's account of everything; goes on where it was when the member has gone and come back. */
class Follower {
  readonly seen: Seen[] = [];
  private readonly member: MemberProcess;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(member: MemberProcess) {
    this.member = member;
    this.running = this.run();
  }

  get revision(): number {
    return this.seen.at(-1)?.[1] ?? 0;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.follow(signal).catch((error: unknown) => {
        if (!(error instanceof RpcError)) throw error;
      });
      await realClock.sleep(50, signal).catch(() => undefined);
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const startRevision = this.revision + 1;
    async function* requests(): AsyncIterable<WatchRequest> {
      yield { requestUnion: { $case: 'createRequest', value: { ...range, startRevision } } };
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    }
    for await (const { events = [] } of createClient(WatchDefinition, this.member.channel).watch(requests(), { signal })) {
      for (const { kv } of events) this.seen.push([String(kv?.key), kv?.modRevision ?? 0]);
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }
}

/** Clients that write through all members in turn, and one watcher on each; what they were told is held against what is there. */
export class Load {
  /** Keys of acknowledged puts with their revisions. Each is written once: one whose answer was lost may come to pass late. */
  readonly acknowledged = new Map<string, number>();
  /** What writers were refused with, and how often. */
  readonly refusals = new Map<string, number>();
  private readonly members: readonly MemberProcess[];
  private readonly followers: Follower[];
  private readonly writers: Promise<void>[];
  private readonly value: Buffer;
  private next = 0;
  private done = false;

  constructor(members: readonly MemberProcess[], options: { writers?: number; valueBytes?: number } = {}) {
    this.members = members;
    this.value = Buffer.alloc(options.valueBytes ?? 64, 'x');
    this.followers = members.map((member) => new Follower(member));
    this.writers = Array.from({ length: options.writers ?? 12 }, (_, w) => this.write(w));
  }

  private async write(turn: number): Promise<void> {
    for (let at = turn; !this.done; at++) {
      const key = `${prefix}${this.next++}`;
      const kv = createClient(KVDefinition, (this.members[at % this.members.length] as MemberProcess).channel);
      try {
        const { header } = await kv.put({ key: Buffer.from(key), value: this.value }, { timeoutMs: callMs });
        this.acknowledged.set(key, header?.revision ?? 0);
      } catch (error) {
        const { message } = error as Error;
        this.refusals.set(message, (this.refusals.get(message) ?? 0) + 1);
        await realClock.sleep(20);
      }
    }
  }

  /** Resolves when so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const target = this.acknowledged.size + count;
    await within(() => this.acknowledged.size >= target, `${count} more writes; refused: ${JSON.stringify([...this.refusals])}`);
  }

  /** Ends the writers. */
  async stop(): Promise<void> {
    this.done = true;
    await Promise.all(this.writers);
  }

  /** Ends writers and watchers. */
  async close(): Promise<void> {
    await this.stop();
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }

  /** Ends everything, and expects every member to hold what was acknowledged and to have told it to its watcher, in order, once. */
  async verify(): Promise<void> {
    await this.stop();
    const [first] = this.members as [MemberProcess];
    const { kvs: all = [] } = await createClient(KVDefinition, first.channel).range(range, { timeoutMs: 20_000 });
    const truth: Seen[] = all.map(({ key, modRevision = 0 }): Seen => [String(key), modRevision]).sort(([, a], [, b]) => a - b);
    const there = new Map(truth);
    expect([...this.acknowledged].filter(([key, revision]) => there.get(key) !== revision)).toEqual([]);
    const revision = truth.at(-1)?.[1] ?? 0;
    for (const follower of this.followers) {
      await within(() => follower.revision >= revision, 'a watcher that has seen everything');
      await follower.stop();
      expect(follower.seen).toEqual(truth);
    }
    const hashes = new Set<number>();
    for (const { channel } of this.members) {
      const { count } = await createClient(KVDefinition, channel).range({ ...range, countOnly: true }, { timeoutMs: 20_000 });
      expect(count).toBe(truth.length);
      hashes.add((await createClient(MaintenanceDefinition, channel).hashKV({ revision })).hash ?? 0);
    }
    expect(hashes.size).toBe(1);
  }
}

/** Resolves once `condition` holds; rejects when that takes a minute. */
export async function within(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const until = realClock.monotonic() + patienceMs;
  while (!(await condition())) {
    if (realClock.monotonic() > until) throw new Error(`waited in vain for ${what}`);
    await realClock.sleep(20);
  }
}
