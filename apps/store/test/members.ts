import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { realClock } from '@orrery/node-io';
import { ensurePki } from '@orrery/node-io/pki';
import { type StatusResponse, MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient, grpcChannel } from '@orrery/rpc';
import { type StoreTls, freePort, temporaryDir } from './servers.ts';

const main = join(import.meta.dirname, '../src/main.ts');
/** Node runs the sources themselves from this version on. */
export const runsSources = Number(process.versions.node.split('.')[0]) >= 24;

/** A member of a cluster as a process of its own, which can be killed, halted and started again on the same data. */
export class MemberProcess {
  readonly name: string;
  readonly address: string;
  readonly peerAddress: string;
  readonly dataDir: string;
  readonly channel: Channel;
  private readonly args: readonly string[];
  private readonly log: string;
  private readonly inside: readonly string[];
  private child: ChildProcess | undefined;

  constructor(options: { name: string; address: string; peerAddress: string; dataDir: string; args: readonly string[]; log: string; tls: StoreTls | undefined; inside: readonly string[] }) {
    this.name = options.name;
    this.address = options.address;
    this.peerAddress = options.peerAddress;
    this.dataDir = options.dataDir;
    this.args = options.args;
    this.log = options.log;
    this.inside = options.inside;
    this.channel = grpcChannel(options.address, options.tls ? { tls: options.tls } : {});
  }

  get isUp(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Undefined while it runs or was ended by a signal. */
  get exitCode(): number | undefined {
    return this.child?.exitCode ?? undefined;
  }

  start(...more: string[]): void {
    const err = openSync(this.log, 'a');
    const [program, ...args] = [...this.inside, process.execPath, main, ...this.args, ...more] as [string, ...string[]];
    this.child = spawn(program, args, { stdio: ['ignore', 'ignore', err] });
    closeSync(err);
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Resolves when the process has ended of itself. */
  async ended(): Promise<void> {
    if (this.child && this.isUp) await once(this.child, 'exit');
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const gone = this.ended();
    this.signal(signal);
    await gone;
  }

  /** What it has logged in all its lives. */
  said(): string {
    return readFileSync(this.log, 'utf8');
  }

  status(): Promise<StatusResponse> {
    return createClient(MaintenanceDefinition, this.channel).status({}, { timeoutMs: 1000 });
  }
}

export interface MembersOptions {
  readonly count?: number;
  /** Certificates on both sides, between members and towards clients. */
  readonly tls?: boolean;
  /** Flags of all members. */
  readonly args?: readonly string[];
  /** Members that keep their data elsewhere than under the directory of the cluster, and what their command lines begin with. */
  readonly elsewhere?: Readonly<Record<string, { readonly dataDir: string; readonly inside: readonly string[] }>>;
}

export class MemberProcesses {
  readonly members: MemberProcess[];
  readonly tls: StoreTls | undefined;
  private readonly dir: { path: string; remove: () => void };

  constructor(dir: { path: string; remove: () => void }, members: MemberProcess[], tls: StoreTls | undefined) {
    this.dir = dir;
    this.members = members;
    this.tls = tls;
  }

  get addresses(): string[] {
    return this.members.map(({ address }) => address);
  }

  /** Waits until these (all of them, by default) agree on a leader that is one of them; which. */
  async leader(among: readonly MemberProcess[] = this.members): Promise<MemberProcess> {
    for (const until = realClock.monotonic() + 60_000; ; ) {
      const statuses = await Promise.all(among.map((member) => member.status().catch(() => undefined)));
      const found = among.find((_, i) => statuses.every((status) => status && status.leader === statuses[i]?.header?.memberId));
      if (found) return found;
      if (realClock.monotonic() > until) throw new Error(`no leader:\n${among.map((member) => `${member.name}: ${member.said().slice(-2000)}`).join('\n')}`);
      await realClock.sleep(50);
    }
  }

  async stop(): Promise<void> {
    for (const { channel } of this.members) channel.close();
    for (const member of this.members) member.signal('SIGCONT');
    await Promise.all(this.members.map((member) => member.kill('SIGKILL')));
    this.dir.remove();
  }
}

/** Processes of one cluster, started; nobody has waited for them yet. */
export async function startMembers(options: MembersOptions = {}): Promise<MemberProcesses> {
  const dir = temporaryDir();
  const names = Array.from({ length: options.count ?? 3 }, (_, i) => `m${i}`);
  const { tls, flags } = options.tls ? certificates(dir.path) : { tls: undefined, flags: [] };
  const peers = new Map<string, string>();
  for (const name of names) peers.set(name, `localhost:${await freePort()}`);
  const cluster = [...peers].map(([name, address]) => `${name}=${address}`).join();
  const members: MemberProcess[] = [];
  for (const name of names) {
    const address = `localhost:${await freePort()}`;
    const peerAddress = peers.get(name) as string;
    const { dataDir, inside } = options.elsewhere?.[name] ?? { dataDir: join(dir.path, name), inside: [] };
    const own = ['--name', name, '--data-dir', dataDir, '--listen-client', address, '--listen-peer', peerAddress, '--initial-cluster', cluster];
    members.push(new MemberProcess({ name, address, peerAddress, dataDir, args: [...own, ...flags, ...(options.args ?? [])], log: join(dir.path, `${name}.log`), tls, inside }));
  }
  for (const member of members) member.start();
  return new MemberProcesses(dir, members, tls);
}

/** One certificate for all of them, as servers and as clients of each other. */
function certificates(dir: string): { tls: StoreTls; flags: string[] } {
  const pki = ensurePki(join(dir, 'pki'));
  const { cert, key } = pki.servingCert('store', { subject: { commonName: 'store' }, altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } });
  const file = (name: string): string => join(dir, 'pki', name);
  const flags = ['', 'peer-'].flatMap((prefix) => [
    ...[`--${prefix}cert-file`, file('store.crt'), `--${prefix}key-file`, file('store.key')],
    ...[`--${prefix}trusted-ca-file`, file('ca.crt'), `--${prefix}client-cert-auth`],
  ]);
  return { tls: { ca: pki.caCert, cert, key }, flags };
}
