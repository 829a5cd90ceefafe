import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { nodeDisk, realClock, realRandom } from '@orrery/node-io';
import { ClusterDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient, grpcChannel } from '@orrery/rpc';
import { createMetrics, silentLogger } from '@orrery/runtime';
import { type StoreConfig, createStore } from '../src/component.ts';

export const env = () => ({ clock: realClock, random: realRandom, log: silentLogger, metrics: createMetrics() });

export function onPath(program: string): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, program)).find((path) => existsSync(path));
}

export interface Server {
  readonly address: string;
  open(): Channel;
  stop(): Promise<void>;
}

export function temporaryDir(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'orrery-store-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Ours, in this process, over gRPC or by direct calls. */
export async function startStore(options: { inMemory?: boolean; settings?: Partial<StoreConfig> } = {}): Promise<Server> {
  const store = createStore(env(), { disk: nodeDisk }, { listenClient: ['127.0.0.1:0'], ...options.settings });
  await store.start();
  const address = store.addresses[0] as string;
  return { address, open: () => (options.inMemory ? store.channel() : grpcChannel(address)), stop: () => store.stop() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function untilServing(address: string, process: ChildProcess): Promise<void> {
  const channel = grpcChannel(address);
  try {
    for (;;) {
      if (process.exitCode !== null) throw new Error(`server ended with ${process.exitCode}`);
      try {
        await createClient(ClusterDefinition, channel).memberList({ linearizable: true }, { timeoutMs: 1000 });
        return;
      } catch {
        await realClock.sleep(50);
      }
    }
  } finally {
    channel.close();
  }
}

/** The original. */
export async function startEtcd(binary: string): Promise<Server> {
  const dir = temporaryDir();
  const [client, peer] = [await freePort(), await freePort()];
  const urls = ['--listen-client-urls', `http://127.0.0.1:${client}`, '--advertise-client-urls', `http://127.0.0.1:${client}`];
  const peers = ['--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`, '--initial-cluster', `default=http://127.0.0.1:${peer}`];
  const child = spawn(binary, ['--data-dir', dir.path, '--log-level', 'error', ...urls, ...peers], { stdio: 'ignore' });
  const address = `127.0.0.1:${client}`;
  await untilServing(address, child);
  return {
    address,
    open: () => grpcChannel(address),
    stop: async () => {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      dir.remove();
    },
  };
}
