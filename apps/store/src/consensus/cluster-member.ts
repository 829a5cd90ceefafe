import { PeerDefinition } from '@orrery/proto/raft';
import { Raft, type RaftOptions } from '@orrery/raft';
import { type Channel, type ServedService, createClient } from '@orrery/rpc';
import { type Disk, type Env, ConfigError } from '@orrery/runtime';
import type { Member, SnapshotExtra } from '../member.ts';
import { Snapshotter } from '../snapshotter.ts';
import { type Alone, QuickAppend } from '../storage/quick-append.ts';
import { type Identity, type Storage, dataFormats, openStorage, readIdentity, writeIdentity } from '../storage/storage.ts';
import { type InitialMember, clusterIdOf, memberIdOf } from './identity.ts';
import { Journal, JournalReplay } from './journal.ts';
import { Links } from './links.ts';
import { type MemberInfo, Membership } from './membership.ts';
import { peerService } from './peer-service.ts';
import { type Bootstrap, recordKinds } from './records.ts';
import { Replica } from './replica.ts';
import { type ReplicaSink, ReplicatedLog } from './replicated-log.ts';

export interface ClusterSettings {
  readonly name: string;
  /** Where the others reach this member. */
  readonly peerURLs: readonly string[];
  readonly initialCluster: readonly InitialMember[];
  /** Joins a cluster that runs, and whose `member add` has named this member. */
  readonly joins: boolean;
  readonly token: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

export interface ClusterMemberOptions {
  readonly env: Env;
  readonly member: Member;
  readonly disk: Disk;
  readonly dir: string;
  readonly segmentBytes: number;
  readonly snapshotCount: number;
  readonly backup?: Uint8Array | undefined;
  readonly settings: ClusterSettings;
  /** Connects to a member at its URL. */
  readonly dial: (peerUrl: string) => Channel;
  /** Makes the algorithm; a simulation gives it other limits, or faults to find. */
  readonly newRaft?: ((options: RaftOptions) => Raft) | undefined;
  /** The process is this member's alone. */
  readonly alone?: Alone | undefined;
  /** The cluster has taken this member out. */
  readonly removed: () => void;
}

/** Pause between attempts to find the cluster that is to be joined. */
const lookAgainMs = 500;
const describeTimeoutMs = 5000;
/** What joiners know of the past: nothing. Whoever is asked for entries from the beginning sends a snapshot instead. */
const firstIndex = 1;

/** A store that is one of several: its data directory, its part in the consensus, the service that the others call. */
export class ClusterMember {
  readonly service: ServedService;
  private readonly options: ClusterMemberOptions;
  private replica: Replica | undefined;
  private stopped = false;

  constructor(options: ClusterMemberOptions) {
    this.options = options;
    this.service = peerService(options.member, () => this.replica);
  }

  /** Recovers, and takes part as soon as others call or an election is due. */
  async start(): Promise<{ storage: Storage; snapshotter: Snapshotter; replica: Replica }> {
    const { env, disk, dir, segmentBytes, member, snapshotCount, settings, backup, alone } = this.options;
    await disk.makeDir(dir);
    const identity = await this.identity();
    const replay = new JournalReplay();
    let extra: SnapshotExtra | undefined;
    const storage = await openStorage(
      { disk, dir, segmentBytes, newIdentity: () => identity },
      {
        snapshot: (bytes, fileIndex) => {
          extra = member.load(bytes);
          return (replay.lastRecord = fileIndex ?? extra.index);
        },
        record: (record) => {
          // What it wrote while it was alone: one entry a record, all committed.
          if (record.kind >= recordKinds.normal && record.kind <= recordKinds.bootstrap) replay.visit(record);
          else member.recovery.record(record);
          replay.lastRecord = record.index;
        },
        ...(backup ? { backup } : {}),
      },
    );
    try {
      const journal = new Journal(storage, { lastRecord: replay.lastRecord, alone, quick: alone && new QuickAppend(storage.wal, () => env.clock.monotonic()) });
      const wasAlone = storage.identity.format !== dataFormats.replicated;
      const replica = await this.assemble({ identity, replay, extra, journal, wasAlone });
      // Last: until then the directory is that of a store alone, and its log says where it became more.
      if (wasAlone) await writeIdentity({ disk, dir }, identity);
      const snapshotter = new Snapshotter(env, { member, storage, snapshotCount, coveredIndex: extra?.index ?? 0, mark: () => replica.log.mark() });
      member.join(identity, replica);
      this.replica = replica;
      replica.log.start();
      env.log.info('takes part in a cluster', { name: settings.name, member: identity.memberId, cluster: identity.clusterId, index: member.appliedIndex });
      return { storage, snapshotter, replica };
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  private async identity(): Promise<Identity> {
    const { disk, dir, settings } = this.options;
    const format = dataFormats.replicated;
    const known = await readIdentity({ disk, dir });
    if (known) return { ...known, format };
    if (settings.joins) return this.findCluster();
    const ids = settings.initialCluster.map(({ peerURLs }) => memberIdOf(peerURLs, settings.token));
    const own = settings.initialCluster.findIndex(({ name }) => name === settings.name);
    const { peerURLs } = settings.initialCluster[own] ?? {};
    if (!peerURLs) throw new ConfigError(`--initial-cluster does not name this member, ${settings.name}`);
    if ([...peerURLs].sort().join() !== [...settings.peerURLs].sort().join()) {
      throw new ConfigError(`--initial-cluster has ${settings.name} at ${peerURLs.join()}, --initial-advertise-peer says ${settings.peerURLs.join()}`);
    }
    return { clusterId: clusterIdOf(ids), memberId: ids[own] as string, format };
  }

  /** Asks the others who is in, until one of them answers. */
  private async findCluster(): Promise<Identity> {
    const { env, settings, dial } = this.options;
    const urls = settings.initialCluster.filter(({ name }) => name !== settings.name).flatMap(({ peerURLs }) => peerURLs);
    if (urls.length === 0) throw new ConfigError('--initial-cluster-state existing needs other members in --initial-cluster');
    while (!this.stopped) {
      /** One that was taken out itself, or lags, does not know of this member: another may. */
      let unknown: ConfigError | undefined;
      for (const url of urls) {
        const channel = dial(url);
        try {
          const { clusterId = '0', members = [] } = await createClient(PeerDefinition, channel).describe({}, { timeoutMs: describeTimeoutMs });
          const own = members.find(({ peerUrls = [] }) => peerUrls.some((peerUrl) => settings.peerURLs.includes(peerUrl)));
          if (own?.id !== undefined) return { clusterId, memberId: own.id, format: dataFormats.replicated };
          unknown ??= new ConfigError(`the cluster at ${url} has no member at ${settings.peerURLs.join()}: add it first`);
        } catch (error) {
          env.log.warn('cannot ask a member who is in the cluster', { url, error });
        } finally {
          channel.close();
        }
      }
      if (unknown) throw unknown;
      await env.clock.sleep(lookAgainMs);
    }
    throw new Error('stopped');
  }

  /** How a log without a beginning begins; undefined for one that joins and is told everything. */
  private async bootstrap(identity: Identity, wasAlone: boolean): Promise<Bootstrap | undefined> {
    const { member, settings } = this.options;
    const info = (id: string, { name, peerURLs }: InitialMember): MemberInfo => ({ id, name, peerURLs: [...peerURLs].sort(), clientURLs: [], isLearner: false });
    const at = { index: Math.max(member.appliedIndex, firstIndex), term: Math.max(member.term, 1) };
    // As with etcd, what a data directory holds counts more than --initial-cluster.
    if (wasAlone) return { ...at, configuration: { voters: [identity.memberId], learners: [] }, members: [info(identity.memberId, settings)] };
    if (settings.joins) return undefined;
    const members = settings.initialCluster.map((initial) => info(memberIdOf(initial.peerURLs, settings.token), initial));
    if (!members.some(({ id }) => id === identity.memberId)) throw new ConfigError('--initial-cluster does not agree with the data directory');
    return { ...at, configuration: { voters: members.map(({ id }) => id).sort(), learners: [] }, members };
  }

  private async assemble(parts: { identity: Identity; replay: JournalReplay; extra: SnapshotExtra | undefined; journal: Journal; wasAlone: boolean }): Promise<Replica> {
    const { env, member, settings, newRaft = (options) => new Raft(options) } = this.options;
    const { identity, replay, extra, journal, wasAlone } = parts;
    let { bootstrap } = replay;
    if (replay.isEmpty) {
      bootstrap = await this.bootstrap(identity, wasAlone);
      if (bootstrap) {
        await journal.begin(bootstrap);
        replay.hardState = { term: bootstrap.term, vote: '', commit: bootstrap.index };
      }
    }
    const { configuration, members } = bootstrap ?? extra?.membership ?? { configuration: { voters: [], learners: [] }, members: [] };
    const index = bootstrap?.index ?? member.appliedIndex;
    member.appliedIndex = index;
    const snapshot = { index, term: bootstrap?.term ?? (index > 0 ? member.term : 0), configuration };
    const membership = new Membership(members, bootstrap ? [] : extra?.membership?.removed);
    const { electionMs, heartbeatMs } = settings;
    const electionTicks = Math.max(2, Math.round(electionMs / heartbeatMs));
    const raft = newRaft({ id: identity.memberId, log: replay.log(snapshot), hardState: replay.hardState, configuration, electionTicks, random: (bound) => env.random.int(bound) });
    const log = new ReplicatedLog({ env, raft, journal, membership, sink: this.sink(), heartbeatMs, electionMs, links: (owner) => this.links(identity, owner) });
    return new Replica({ env, log, clusterToken: settings.token });
  }

  private links(identity: Identity, log: ReplicatedLog): Links {
    const { env, dial } = this.options;
    return new Links({
      env,
      self: identity,
      dial,
      urlsOf: (id) => log.membership.get(id)?.peerURLs ?? [],
      receive: (message) => log.receive(message),
      unreachable: (id) => log.unreachable(id),
      removed: () => log.leave(),
    });
  }

  private sink(): ReplicaSink {
    const { member } = this.options;
    return {
      committed: (proposal, at) => member.committed(proposal, at),
      failed: (proposal, error) => member.failed(proposal, error),
      idle: async (index) => member.idle?.(index),
      applied: (entry, at) => member.applied(entry, at),
      prepare: (bytes) => {
        const use = member.prepare(bytes);
        return () => use().membership ?? { configuration: { voters: [], learners: [] }, members: [], removed: [] };
      },
      snapshot: () => member.snapshot(),
      leading: (leads) => member.leading(leads),
      removed: () => this.options.removed(),
    };
  }

  /** Ends a start that still looks for its cluster. */
  stop(): void {
    this.stopped = true;
  }
}
