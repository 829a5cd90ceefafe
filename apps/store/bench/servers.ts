import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { KVDefinition, MaintenanceDefinition } from '@orrery/proto/etcd';
import { createClient, grpcChannel } from '@orrery/rpc';

const root = join(import.meta.dirname, '../../..');
const quotaBytes = String(8 * 1024 ** 3);
const startMs = 120_000;

/** A server under measurement, or the members of a cluster of it. */
export interface Target {
  readonly name: 'ours' | 'etcd';
  /** Where the load goes: to the leader. */
  readonly address: string;
  /** Resident bytes of the processes, undefined for a server that runs elsewhere. */
  memoryBytes(): number | undefined;
  /** Kills all members and starts them again; resolves to the milliseconds until they answer a linearizable read. */
  restart(): Promise<number>;
  /** Frees what the measurements before have left behind: history is compacted away, as an API server does. */
  compact(): Promise<void>;
  close(): Promise<void>;
}

interface Member {
  readonly client: number;
  readonly peer: number;
  readonly dir: string;
  child: ChildProcess | undefined;
}

export function onPath(program: string): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, program)).find((path) => existsSync(path));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** The command line of one member. */
type Command = (member: Member, all: readonly Member[]) => { program: string; args: readonly string[] };

function etcdCommand(program: string): Command {
  return ({ client, peer, dir }, all) => {
    const own = `http://127.0.0.1:${client}`;
    const cluster = all.map((member, i) => `m${i}=http://127.0.0.1:${member.peer}`).join();
    const name = `m${all.findIndex((member) => member.peer === peer)}`;
    const peers = ['--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`, '--initial-cluster', cluster];
    return { program, args: ['--name', name, '--data-dir', dir, '--log-level', 'error', '--quota-backend-bytes', quotaBytes, '--listen-client-urls', own, '--advertise-client-urls', own, ...peers] };
  };
}

function ownCommand({ fromSource, nodeFlags }: OwnOptions): Command {
  const bundle = join(root, 'dist/apps/store/main.js');
  const main = fromSource || !existsSync(bundle) ? join(import.meta.dirname, '../src/main.ts') : bundle;
  return ({ client, peer, dir }, all) => {
    const peers = all.length === 1 ? [] : ['--listen-peer', `127.0.0.1:${peer}`, '--initial-cluster', all.map((member, i) => `m${i}=127.0.0.1:${member.peer}`).join()];
    const name = `m${all.findIndex((member) => member.peer === peer)}`;
    return { program: process.execPath, args: [...nodeFlags, main, '--log-level', 'error', '--name', name, '--data-dir', dir, '--quota-backend-bytes', quotaBytes, '--listen-client', `127.0.0.1:${client}`, ...peers] };
  };
}

function residentBytes(child: ChildProcess | undefined): number {
  const status = readFileSync(`/proc/${child?.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

async function answers(address: string): Promise<boolean> {
  const channel = grpcChannel(address);
  try {
    await createClient(KVDefinition, channel).range({ key: Buffer.from('a') }, { timeoutMs: 1000 });
    return true;
  } catch {
    return false;
  } finally {
    channel.close();
  }
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + startMs;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`${what} did not start within ${startMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function compact(address: string): Promise<void> {
  const channel = grpcChannel(address);
  const kv = createClient(KVDefinition, channel);
  const { header } = await kv.range({ key: Buffer.from('a'), countOnly: true });
  const revision = header?.revision ?? 0;
  if (revision > 1) await kv.compact({ revision, physical: true });
  channel.close();
}

async function leaderOf(members: readonly Member[]): Promise<string> {
  for (const { client } of members) {
    const channel = grpcChannel(`127.0.0.1:${client}`);
    const { header, leader } = await createClient(MaintenanceDefinition, channel).status({});
    channel.close();
    if (header?.memberId === leader) return `127.0.0.1:${client}`;
  }
  throw new Error('no member leads');
}

class Cluster implements Target {
  readonly name: 'ours' | 'etcd';
  address = '';
  private readonly command: Command;
  private readonly members: Member[];

  constructor(name: 'ours' | 'etcd', command: Command, members: Member[]) {
    this.name = name;
    this.command = command;
    this.members = members;
  }

  async start(): Promise<void> {
    for (const member of this.members) {
      const { program, args } = this.command(member, this.members);
      member.child = spawn(program, args, { stdio: ['ignore', 'ignore', this.name === 'ours' ? 'inherit' : 'ignore'] });
    }
    for (const { client, child } of this.members) {
      await until(this.name, async () => {
        if (child?.exitCode != null) throw new Error(`${this.name} ended with ${child.exitCode}`);
        return answers(`127.0.0.1:${client}`);
      });
    }
    this.address = await leaderOf(this.members);
  }

  memoryBytes(): number {
    return this.members.reduce((sum, { child }) => sum + residentBytes(child), 0);
  }

  private async kill(): Promise<void> {
    const running = this.members.flatMap(({ child }) => (child && child.exitCode === null ? [child] : []));
    const gone = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(gone);
  }

  async restart(): Promise<number> {
    await this.kill();
    const began = performance.now();
    await this.start();
    return performance.now() - began;
  }

  compact(): Promise<void> {
    return compact(this.address);
  }

  async close(): Promise<void> {
    await this.kill();
    for (const { dir } of this.members) rmSync(dir, { recursive: true, force: true });
  }
}

export interface OwnOptions {
  readonly fromSource: boolean;
  /** For a profile, say. */
  readonly nodeFlags: readonly string[];
}

async function members(dir: string, count: number): Promise<Member[]> {
  const made: Member[] = [];
  for (let i = 0; i < count; i++) made.push({ client: await freePort(), peer: await freePort(), dir: join(dir, `m${i}`), child: undefined });
  return made;
}

export async function startOwn(dir: string, count: number, options: OwnOptions): Promise<Target> {
  const cluster = new Cluster('ours', ownCommand(options), await members(join(dir, `ours-${count}`), count));
  await cluster.start();
  return cluster;
}

export async function startEtcd(dir: string, count: number, program: string): Promise<Target> {
  const cluster = new Cluster('etcd', etcdCommand(program), await members(join(dir, `etcd-${count}`), count));
  await cluster.start();
  return cluster;
}

/** One that runs already, at `host:port`. */
export function foreign(address: string): Target {
  const cannot = (): never => {
    throw new Error('a server that was not started here is not restarted');
  };
  return { name: 'etcd', address, memoryBytes: () => undefined, restart: cannot, compact: () => compact(address), close: async () => undefined };
}
