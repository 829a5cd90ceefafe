import { ClusterDefinition, KVDefinition, LeaseDefinition, MaintenanceDefinition, WatchDefinition } from '@orrery/proto/etcd';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { type Store, type StoreConfig, createStore } from '../component.ts';
import { MemoryDisk } from './memory-disk.ts';

/** A member of a cluster in this process: what it was started with, and what is left of it when it is down. */
export interface TestMember {
  readonly name: string;
  readonly url: string;
  disk: MemoryDisk;
  readonly settings: Partial<StoreConfig>;
  store: Store | undefined;
}

export function clients(channel: Channel) {
  return {
    kv: createClient(KVDefinition, channel),
    lease: createClient(LeaseDefinition, channel),
    watch: createClient(WatchDefinition, channel),
    cluster: createClient(ClusterDefinition, channel),
    maintenance: createClient(MaintenanceDefinition, channel),
  };
}

/** Members in one process, in virtual time, whose network can be cut. */
export class TestCluster {
  /** Ids are hashes, which the platform takes real time for. */
  readonly clock = new VirtualClock({ drain: () => new Promise((resolve) => setImmediate(resolve)) });
  readonly members = new Map<string, TestMember>();
  private readonly cut = new Set<string>();
  private seed = 1;

  /** Adds `count` members that begin a cluster, and starts them. */
  async begin(count: number, settings: Partial<StoreConfig> = {}): Promise<TestMember[]> {
    const names = Array.from({ length: count }, (_, i) => `m${i + 1}`);
    const initialCluster = names.map((name) => `${name}=${name}:2380`);
    const members = names.map((name) => this.add(name, { initialCluster, ...settings }));
    for (const member of members) await this.start(member);
    return members;
  }

  add(name: string, settings: Partial<StoreConfig> = {}, disk = new MemoryDisk()): TestMember {
    const common = { name, dataDir: '/data', listenClient: [], listenPeer: [`${name}:2380`] };
    const member: TestMember = { name, url: `http://${name}:2380`, disk, settings: { ...common, ...settings }, store: undefined };
    this.members.set(name, member);
    return member;
  }

  async start(member: TestMember): Promise<void> {
    const { clock } = this;
    // Giving way to other work takes no virtual time.
    const yielding = Object.assign(Object.create(clock) as VirtualClock, {
      sleep: (ms: number, signal?: AbortSignal) => (ms === 0 ? Promise.resolve() : clock.sleep(ms, signal)),
    });
    const env = { clock: yielding, random: seededRandom(this.seed++), log: silentLogger, metrics: createMetrics() };
    const store: Store = createStore(env, { disk: member.disk, dialPeer: (url) => this.dial({ member, isUp: () => member.store === store }, url) }, member.settings);
    member.store = store;
    await this.during(store.start());
  }

  /** Lets time pass until the promise is settled. */
  async during<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled = false;
    const mark = (): void => void (settled = true);
    promise.then(mark, mark);
    // Hashes take real time, in which virtual time must not run out.
    const real = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
    await this.clock.until(() => settled || real().then(() => settled), withinMs, 20);
    return promise;
  }

  /** The power goes: what was not synced is lost, and nothing of what the process still does reaches anyone. */
  crash(member: TestMember): void {
    const { store } = member;
    member.store = undefined;
    member.disk.budget = member.disk.steps;
    member.disk = member.disk.reboot('all lost');
    // Its timers; it can reach neither disk nor network any more.
    store?.stop().catch(() => undefined);
  }

  isolate(member: TestMember): void {
    for (const { name } of this.members.values()) if (name !== member.name) this.cut.add(`${member.name}>${name}`).add(`${name}>${member.name}`);
  }

  heal(): void {
    this.cut.clear();
  }

  of(member: TestMember) {
    if (!member.store) throw new Error(`${member.name} is down`);
    return clients(member.store.channel());
  }

  /** The member that leads, once all of `among` agree on it. */
  async leader(among: readonly TestMember[] = [...this.members.values()]): Promise<TestMember> {
    let leads: TestMember | undefined;
    await this.clock.until(async () => {
      const statuses = await Promise.all(among.map((member) => this.of(member).maintenance.status({})));
      const ids = new Set(statuses.map(({ leader }) => leader));
      const at = statuses.findIndex(({ header, leader }) => header?.memberId === leader);
      leads = ids.size === 1 && at >= 0 ? among[at] : undefined;
      return leads !== undefined;
    }, 60_000, 50);
    return leads as TestMember;
  }

  /** A connection that can be cut: calls then fail, and streams end once something goes over them. */
  private dial(from: { member: TestMember; isUp: () => boolean }, url: string): Channel {
    const target = (): TestMember | undefined => [...this.members.values()].find((member) => member.url === url);
    const isUp = (): boolean => target()?.store !== undefined && from.isUp() && !this.cut.has(`${from.member.name}>${target()?.name}`);
    const away = (): RpcError => new RpcError(Code.UNAVAILABLE, 'No connection established');
    const through = async function* (source: AsyncIterable<unknown>): AsyncIterable<unknown> {
      for await (const item of source) {
        if (!isUp()) throw away();
        yield item;
      }
    };
    return {
      call: (definition, method, input, options) => {
        if (!isUp()) {
          if (!method.responseStream) return Promise.reject(away());
          return through((async function* () { yield 0; })());
        }
        const carried = method.requestStream ? through(input as AsyncIterable<unknown>) : input;
        const result = (target()?.store as Store).peerChannel().call(definition, method, carried, options);
        return method.responseStream ? through(result as AsyncIterable<unknown>) : result;
      },
      close: () => undefined,
    };
  }
}
