import { ClusterDefinition, KVDefinition, LeaseDefinition, MaintenanceDefinition, WatchDefinition } from '@orrery/proto/etcd';
import { Raft, type RaftOptions } from '@orrery/raft';
import { type Channel, createClient } from '@orrery/rpc';
import { type Disk, type LogRecord, type Random, type VirtualClock, createLogger, createMetrics, seededRandom } from '@orrery/runtime';
import { type Store, type StoreConfig, createStore } from '../component.ts';
import { type Loss, MemoryDisk } from '../testing/memory-disk.ts';
import type { Bug } from './bugs.ts';
import { type Host, Network } from './network.ts';
import { Process } from './process.ts';
import { type DiskHealth, timedDisk } from './timed-disk.ts';
import { wireChannel } from './wire.ts';

/** A machine with a disk, on which a member runs, or did. */
export interface Machine extends Host {
  readonly url: string;
  readonly settings: Partial<StoreConfig>;
  disk: MemoryDisk;
  readonly health: DiskHealth;
  /** What runs; undefined while it is down. */
  store: Store | undefined;
  /** It serves. */
  isUp: boolean;
  wallOffsetMs: number;
  /** What it said of itself when it was last asked; undefined when it does not serve. */
  status: MemberStatus | undefined;
}

export interface MemberStatus {
  readonly id: string;
  /** `0`: it knows of none. */
  readonly leader: string;
  readonly term: number;
  readonly revision: number;
  readonly isLearner: boolean;
}

export interface ClusterOptions {
  readonly time: VirtualClock;
  readonly random: Random;
  readonly trace: (line: string) => void;
  readonly settings: Partial<StoreConfig>;
  /** Limits of the algorithm. */
  readonly raft: Partial<RaftOptions>;
  readonly bug?: Bug | undefined;
}

export function etcdClients(channel: Channel) {
  return {
    kv: createClient(KVDefinition, channel),
    lease: createClient(LeaseDefinition, channel),
    watch: createClient(WatchDefinition, channel),
    cluster: createClient(ClusterDefinition, channel),
    maintenance: createClient(MaintenanceDefinition, channel),
  };
}

export type EtcdClients = ReturnType<typeof etcdClients>;

const usualSyncMs = 4;
const certificateFiles = { certFile: '/pki/cert', keyFile: '/pki/key', trustedCaFile: '/pki/ca' };

/** Whole stores on machines that can lose their power, over a network that can fail, in virtual time. */
export class Cluster {
  readonly machines: Machine[] = [];
  readonly network: Network;
  private readonly options: ClusterOptions;
  private readonly direct = new WeakMap<Store, EtcdClients>();

  constructor(options: ClusterOptions) {
    this.options = options;
    this.network = new Network(options.time, options.random);
  }

  get time(): VirtualClock {
    return this.options.time;
  }

  /** Puts up a machine on which nothing runs yet. */
  add(name: string, settings: Partial<StoreConfig>): Machine {
    const own = { name, dataDir: '/data', listenClient: [], clientCertAuth: true, ...certificateFiles, ...this.options.settings, ...settings };
    const machine: Machine = { name, url: `http://${name}:2380`, settings: own, disk: new MemoryDisk(), health: { syncMs: usualSyncMs, failingSyncs: 0 }, store: undefined, process: undefined, isUp: false, wallOffsetMs: 0, status: undefined };
    this.machines.push(machine);
    return machine;
  }

  /** Starts the member of a machine that is down. It may take part long before it serves, or fail. */
  start(machine: Machine): void {
    const { time, trace, bug, raft } = this.options;
    const process = new Process(time);
    process.wallOffsetMs = machine.wallOffsetMs;
    const random = seededRandom(this.options.random.int(2 ** 32));
    const write = ({ level, message, fields }: LogRecord): void => trace(`${machine.name} ${level}: ${message} ${JSON.stringify(fields, plain)}`);
    const env = { clock: process.clock, random, log: createLogger({ now: () => time.now(), write, level: 'info' }), metrics: createMetrics() };
    const timed = timedDisk(machine.disk, { process, time, random: this.options.random, health: machine.health });
    const make = bug?.newRaft ?? ((options: RaftOptions) => new Raft(options));
    const deps = {
      disk: withCertificates(bug?.disk?.(timed) ?? timed),
      dialPeer: (url: string) => this.dial(machine, url),
      newRaft: (options: RaftOptions) => make({ ...options, ...raft }),
    };
    const store = createStore(env, deps, machine.settings);
    machine.process = process;
    machine.store = store;
    trace(`${machine.name} starts`);
    store.start().then(
      () => {
        if (machine.process !== process) return;
        machine.isUp = true;
        trace(`${machine.name} serves`);
      },
      (error: unknown) => {
        trace(`${machine.name} cannot start: ${(error as Error).message}`);
        if (machine.process === process) this.crash(machine, { isSilent: false });
      },
    );
  }

  /** The program ends at once. `loss` is what the disk makes of what was not synced, should the power be gone as well. */
  crash(machine: Machine, { isSilent, loss = 'all kept' }: { isSilent: boolean; loss?: Loss }): void {
    machine.process?.kill();
    machine.process = undefined;
    machine.store = undefined;
    machine.isUp = false;
    machine.status = undefined;
    const { capacity } = machine.disk;
    machine.disk = machine.disk.reboot(loss);
    machine.disk.capacity = capacity;
    this.network.ended(machine, isSilent);
  }

  /** Ends the program as an operator does. Resolves when it has ended. */
  async stop(machine: Machine): Promise<void> {
    const { store, process } = machine;
    machine.isUp = false;
    await store?.stop();
    if (machine.process === process) this.crash(machine, { isSilent: false });
  }

  /** Those that believed that they lead when they were last asked, by term. */
  leaders(): Machine[] {
    const leading = this.machines.filter(({ process, status }) => process && status && status.leader === status.id);
    return leading.sort((a, b) => (a.status as MemberStatus).term - (b.status as MemberStatus).term);
  }

  /** Asks all that serve how they are, without the network. */
  async observe(): Promise<void> {
    await Promise.all(this.machines.map(async (machine) => {
      const { process } = machine;
      // Asked of one that stands still, the answer would be of a later time.
      if (process?.isPaused) return;
      const status = machine.isUp ? await this.statusOf(machine) : undefined;
      if (machine.process === process) machine.status = status;
    }));
  }

  private async statusOf(machine: Machine): Promise<MemberStatus | undefined> {
    try {
      const { header, leader = '0', raftTerm = 0, isLearner = false } = await this.directly(machine).maintenance.status({});
      return { id: header?.memberId ?? '0', leader, term: raftTerm, revision: header?.revision ?? 0, isLearner };
    } catch {
      // It has ended: it was taken out, or gave up.
      return undefined;
    }
  }

  async moveLeader(from: Machine, to: Machine): Promise<void> {
    await this.directly(from).maintenance.moveLeader({ targetID: to.status?.id ?? '0' });
  }

  mendDisks(): void {
    for (const { disk, health } of this.machines) {
      disk.capacity = Infinity;
      health.syncMs = usualSyncMs;
      health.failingSyncs = 0;
    }
  }

  /** The services of a machine for one who is on another. */
  clientsFrom(host: Host, machine: Machine, user = 'root'): EtcdClients {
    return etcdClients(this.channelFrom(host, machine, user));
  }

  /** The same for any service. `user` counts once authentication is on. */
  channelFrom(host: Host, machine: Machine, user: string): Channel {
    const { bug } = this.options;
    const own = (): Channel => (machine.store as Store).channel({ address: host.name, commonName: user });
    const services = (): Channel | undefined => (machine.isUp ? (bug?.services?.(own()) ?? own()) : undefined);
    return wireChannel({ network: this.network, from: host, to: machine, services });
  }

  /** The services of a machine for one who needs no network: the judge. */
  directly({ store }: Machine): EtcdClients {
    if (!store) throw new Error('nothing runs there');
    let clients = this.direct.get(store);
    if (!clients) this.direct.set(store, (clients = etcdClients(store.channel({ address: 'judge', commonName: 'root' }))));
    return clients;
  }

  private dial(from: Machine, url: string): Channel {
    const to = this.machines.find((machine) => machine.url === url);
    if (!to) throw new Error(`nobody is at ${url}`);
    return wireChannel({ network: this.network, from, to, services: () => to.store?.peerChannel() });
  }
}

/** The files that a store which knows its clients by certificate wants to see: nobody shows one here. */
function withCertificates(disk: Disk): Disk {
  return { ...disk, read: (path) => (Object.values(certificateFiles).includes(path) ? Promise.resolve(Buffer.from('simulated')) : disk.read(path)) };
}

/** Errors as their message alone: stacks are not the same everywhere. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
