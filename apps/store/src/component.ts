import type { DialGrpc, HttpServer, ServeGrpc, ServeHttp } from '@orrery/node-io';
import type { Raft, RaftOptions } from '@orrery/raft';
import { type Channel, Code, type GrpcServer, type Peer, RpcError, type ServedService, type TlsMaterial, grpcServer, inMemoryChannel } from '@orrery/rpc';
import { type Component, ConfigError, type Disk, type Env, resolveConfig } from '@orrery/runtime';
import { startAutoCompaction } from './auto-compaction.ts';
import { Gate } from './auth/gate.ts';
import { openBackup } from './backup/backup.ts';
import { type StoreConfig, storeSchema } from './config.ts';
import { ClusterMember } from './consensus/cluster-member.ts';
import { guarded } from './consensus/guard.ts';
import { clusterSettings, dialPeer, isClustered, listenForPeers } from './consensus/peer-listener.ts';
import { Member } from './member.ts';
import { registerMetrics } from './metrics.ts';
import { serveStatus, statusHandler } from './status-server.ts';
import { authService } from './services/auth.ts';
import { clusterService } from './services/cluster.ts';
import { electionService } from './services/election.ts';
import { kvService } from './services/kv.ts';
import { leaseService } from './services/lease.ts';
import { lockService } from './services/lock.ts';
import { maintenanceService } from './services/maintenance.ts';
import { watchService } from './services/watch.ts';
import { Snapshotter } from './snapshotter.ts';
import type { Alone } from './storage/quick-append.ts';
import { type Identity, type Storage, dataFormats, openStorage, readIdentity } from './storage/storage.ts';

export { type StoreConfig, storeSchema } from './config.ts';

export interface Store extends Component {
  /** The etcd services of this process, called directly, as by `peer`. Calls before `start` and after `stop` fail with UNAVAILABLE. */
  channel(peer?: Peer): Channel;
  /** Addresses it listens on, with the ports that were picked. */
  readonly addresses: readonly string[];
  /** The service for other members, called directly. */
  peerChannel(): Channel;
  /** The port of /metrics and /health, if served. */
  readonly metricsPort: number | undefined;
}

export interface StoreDeps {
  /** Needed with `dataDir` or certificate files. */
  readonly disk?: Disk | undefined;
  /** Needed with `listenMetrics`. */
  readonly serveHttp?: ServeHttp | undefined;
  /** Serves clients and members; without, `grpcServer` of `@orrery/rpc` does. */
  readonly serveGrpc?: ServeGrpc | undefined;
  /** Connects to other members; without, `grpcChannel` of `@orrery/rpc` does. */
  readonly dialGrpc?: DialGrpc | undefined;
  /** The process is the store's alone. */
  readonly alone?: Alone | undefined;
  /** Connects to another member at its URL; without, over gRPC. */
  readonly dialPeer?: ((url: string) => Channel) | undefined;
  /** Makes the algorithm of a member of a cluster; without, `libs/raft` with its defaults. */
  readonly newRaft?: ((options: RaftOptions) => Raft) | undefined;
}

/** Bytes after which the log continues in a new file. */
const segmentBytes = 64 * 1024 * 1024;
/** What a request may have beside what `maxRequestBytes` counts, as etcd has it. */
const overheadBytes = 512 * 1024;
/** How often clients may ping, as etcd's `--grpc-keepalive-min-time`; those without calls need not. */
const pings = { minMs: 5000, withoutCalls: false };
/** How long calls in flight may finish when the store stops. */
const graceMs = 1000;

function newIdentity(env: Env): Identity {
  const id = (): string => String((BigInt(env.random.int(2 ** 32)) << 32n) | BigInt(1 + env.random.int(2 ** 32 - 1)));
  return { clusterId: id(), memberId: id() };
}

function requireDisk(deps: StoreDeps, setting: string): Disk {
  if (!deps.disk) throw new ConfigError(`${setting} is set, but this store was given no disk`);
  return deps.disk;
}

interface TlsFiles {
  /** Of the flags: nothing, or `peer-`. */
  readonly prefix: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string;
  readonly clientCertAuth: boolean;
}

async function readTls(deps: StoreDeps, { prefix, certFile, keyFile, trustedCaFile, clientCertAuth }: TlsFiles): Promise<TlsMaterial | undefined> {
  const flag = (name: string): string => `--${prefix}${name}`;
  if (!certFile) {
    if (clientCertAuth) throw new ConfigError(`${flag('client-cert-auth')} needs ${flag('cert-file')}, ${flag('key-file')} and ${flag('trusted-ca-file')}`);
    return undefined;
  }
  if (!keyFile) throw new ConfigError(`${flag('cert-file')} needs ${flag('key-file')}`);
  if (clientCertAuth && !trustedCaFile) throw new ConfigError(`${flag('client-cert-auth')} needs ${flag('trusted-ca-file')}`);
  const disk = requireDisk(deps, flag('cert-file'));
  const pem = async (path: string): Promise<string> => Buffer.from(await disk.read(path)).toString('utf8');
  const ca = trustedCaFile ? { ca: await pem(trustedCaFile) } : {};
  return { cert: await pem(certFile), key: await pem(keyFile), ...ca };
}

const clientTls = (config: StoreConfig): TlsFiles => ({ ...config, prefix: '' });
const peerTls = ({ peerCertFile, peerKeyFile, peerTrustedCaFile, peerClientCertAuth }: StoreConfig): TlsFiles => ({
  prefix: 'peer-',
  certFile: peerCertFile,
  keyFile: peerKeyFile,
  trustedCaFile: peerTrustedCaFile,
  clientCertAuth: peerClientCertAuth,
});

class StoreComponent implements Store {
  readonly name = 'store';
  readonly addresses: string[] = [];
  metricsPort: number | undefined;
  readonly ended: Promise<string>;
  private end: (reason: string) => void = () => undefined;
  private readonly env: Env;
  private readonly deps: StoreDeps;
  private readonly config: StoreConfig;
  private readonly member: Member;
  private readonly services: readonly ServedService[];
  private storage: Storage | undefined;
  private snapshotter: Snapshotter | undefined;
  private cluster: ClusterMember | undefined;
  private readonly servers: GrpcServer[] = [];
  private peerServers: GrpcServer[] = [];
  private statusServer: HttpServer | undefined;
  private stopCompaction: (() => void) | undefined;
  private up = false;

  constructor(env: Env, deps: StoreDeps, config: StoreConfig) {
    this.env = env;
    this.deps = deps;
    this.config = config;
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.member = new Member(env, { quotaBytes: config.quotaBackendBytes, leaseCheckpointMs: config.leaseCheckpointIntervalSeconds * 1000, alone: deps.alone });
    const services = this.describe();
    this.services = isClustered(config) ? guarded(services, this.member) : services;
  }

  private describe(): ServedService[] {
    const { member, config, env } = this;
    const diskBytes = (): number => this.diskBytes();
    // A snapshot of another member takes the place of both.
    const permits = {
      get auth() {
        return member.machine.auth;
      },
      get leases() {
        return member.state.leases;
      },
    };
    const gate = new Gate({ permits, tokens: member.tokens, certificates: config.clientCertAuth });
    const primitives = [
      kvService(member, gate, config),
      watchService(member, {
        clock: env.clock,
        progressNotifyMs: config.watchProgressNotifySeconds * 1000,
        maxResponseBytes: config.maxRequestBytes + overheadBytes,
        gate,
      }),
      leaseService(member, gate, { random: env.random, minTtl: config.minLeaseTtlSeconds }),
    ];
    return [
      ...primitives,
      maintenanceService(member, gate, { clock: env.clock, quotaBytes: config.quotaBackendBytes, diskBytes, defragment: () => this.defragment() }),
      clusterService(member, gate, () => ({ name: config.name, clientURLs: this.clientUrls(), peerURLs: [] })),
      authService(member, gate),
      lockService(primitives),
      electionService(primitives),
    ];
  }

  private clientUrls(): string[] {
    const scheme = this.config.certFile ? 'https' : 'http';
    return this.addresses.map((address) => (address.startsWith('unix:') ? address : `${scheme}://${address}`));
  }

  private diskBytes(): number {
    const { storage } = this;
    return storage ? storage.wal.sizeBytes + storage.snapshots.sizeBytes : this.member.state.sizeBytes;
  }

  /** In memory there is nothing to rewrite. */
  private async defragment(): Promise<void> {
    await this.snapshotter?.demand();
  }

  async start(): Promise<void> {
    const { env, config, deps, member } = this;
    const tls = await readTls(deps, clientTls(config));
    if (isClustered(config)) await this.joinCluster();
    else await this.lead();
    // As etcd ends then: who runs it starts it again, on what is on the disk in fact.
    if (this.storage) this.storage.wal.onBroken = () => this.end('the log could not be written: the disk is read anew');
    registerMetrics(env.metrics, { member, diskBytes: () => this.diskBytes(), quotaBytes: config.quotaBackendBytes });
    const retentionMs = config.autoCompactionRetentionSeconds * 1000;
    if (retentionMs > 0) this.stopCompaction = startAutoCompaction(env, member, retentionMs);
    await this.listen(tls);
    this.up = true;
    this.publish();
  }

  /** A store alone. */
  private async lead(): Promise<void> {
    const { env, config, deps, member } = this;
    if (config.dataDir) this.storage = await this.openStorage(requireDisk(deps, '--data-dir'));
    const { storage } = this;
    if (storage) this.snapshotter = new Snapshotter(env, { member, storage, snapshotCount: config.snapshotCount });
    await member.lead(storage?.identity ?? newIdentity(env), storage);
  }

  /** One of several. */
  private async joinCluster(): Promise<void> {
    const { env, config, deps, member } = this;
    const settings = clusterSettings(config);
    const tls = await readTls(deps, peerTls(config));
    const disk = requireDisk(deps, '--data-dir');
    const cluster = new ClusterMember({
      env,
      member,
      disk,
      dir: config.dataDir,
      segmentBytes,
      snapshotCount: config.snapshotCount,
      backup: config.initialSnapshot ? await openBackup(await disk.read(config.initialSnapshot)) : undefined,
      settings,
      newRaft: deps.newRaft,
      alone: deps.alone,
      dial: deps.dialPeer ?? ((url) => dialPeer(url, tls, deps.dialGrpc)),
      removed: () => void this.leave(),
    });
    this.cluster = cluster;
    if (!deps.dialPeer) this.peerServers = await listenForPeers(cluster.service, { addresses: config.listenPeer, tls, requireClientCert: config.peerClientCertAuth, serve: deps.serveGrpc ?? grpcServer });
    ({ storage: this.storage, snapshotter: this.snapshotter } = await cluster.start());
  }

  /** Tells the cluster where clients find this member. */
  private publish(): void {
    const { env, config, member } = this;
    member.replica?.publish({ name: config.name, clientURLs: this.clientUrls() }).catch((error: unknown) => env.log.warn('cannot publish where this member serves', { error }));
  }

  /** Recovers the data directory. A new one may begin with a backup. */
  private async openStorage(disk: Disk): Promise<Storage> {
    const { env, config, member } = this;
    const options = { disk, dir: config.dataDir, segmentBytes, newIdentity: () => newIdentity(env) };
    await disk.makeDir(config.dataDir);
    if ((await readIdentity(options))?.format === dataFormats.replicated) {
      throw new ConfigError(`data directory ${config.dataDir} is that of a member of a cluster: start it with --listen-peer`);
    }
    const backup = config.initialSnapshot ? await openBackup(await disk.read(config.initialSnapshot)) : undefined;
    const storage = await openStorage(options, { ...member.recovery, ...(backup ? { backup } : {}) });
    env.log.info('recovered', { dataDir: config.dataDir, index: member.appliedIndex, revision: member.state.revision });
    return storage;
  }

  private async listen(tls: TlsMaterial | undefined): Promise<void> {
    const { config, env, deps } = this;
    const status = statusHandler({ metrics: env.metrics, ready: () => this.ready() });
    for (const address of config.listenClient) {
      const server = (deps.serveGrpc ?? grpcServer)(this.services, { ...(tls ? { tls } : {}), requireClientCert: config.clientCertAuth, maxMessageBytes: config.maxRequestBytes + overheadBytes, pings, http1: status });
      this.servers.push(server);
      const port = await server.listen(address);
      const bound = address.startsWith('unix:') ? address : address.replace(/:\d+$/, `:${port}`);
      this.addresses.push(bound);
      env.log.info('serving etcd v3', { address: bound, tls: tls !== undefined });
    }
    if (!config.listenMetrics) return;
    if (!deps.serveHttp) throw new ConfigError('--listen-metrics is set, but this store was given no HTTP server');
    this.statusServer = await serveStatus(deps.serveHttp, { address: config.listenMetrics, handler: status });
    this.metricsPort = this.statusServer.port;
  }

  async stop(): Promise<void> {
    this.up = false;
    this.stopCompaction?.();
    this.cluster?.stop();
    await this.member.stop();
    for (const server of this.peerServers.splice(0)) await server.stop();
    await this.statusServer?.close();
    for (const server of this.servers.splice(0)) await server.stop(graceMs);
    await this.snapshotter?.stop();
    const { storage } = this;
    this.storage = undefined;
    await storage?.close();
  }

  /** Out of the cluster: nothing is left to do. */
  private async leave(): Promise<void> {
    await this.stop();
    this.end('this member was removed from the cluster');
  }

  ready(): boolean {
    return this.up && !this.storage?.wal.failed && this.member.replica?.log.isStopped !== true;
  }

  channel(peer?: Peer): Channel {
    return this.direct(() => this.up, this.services, peer);
  }

  peerChannel(): Channel {
    return this.direct(() => this.cluster !== undefined, this.cluster ? [this.cluster.service] : []);
  }

  private direct(isUp: () => boolean, services: readonly ServedService[], peer?: Peer): Channel {
    const inner = inMemoryChannel(services, peer);
    return {
      call: (definition, method, input, options) => {
        if (isUp()) return inner.call(definition, method, input, options);
        const error = new RpcError(Code.UNAVAILABLE, 'etcdserver: server stopped');
        if (!method.responseStream) return Promise.reject(error);
        return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
      },
      close: () => inner.close(),
    };
  }
}

/** One member of etcd v3. Settings left out take their defaults. A store is started once; to start again, create it anew. */
export function createStore(env: Env, deps: StoreDeps = {}, settings: Partial<StoreConfig> = {}): Store {
  return new StoreComponent(env, deps, { ...resolveConfig(storeSchema, []), ...settings });
}
