import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dialGrpc, nodeDisk, realClock, realRandom, serveGrpc } from '@orrery/node-io';
import { ensurePki } from '@orrery/node-io/pki';
import { ClusterDefinition, MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient, grpcChannel, spreadChannel } from '@orrery/rpc';
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
  const store = createStore(env(), { disk: nodeDisk, serveGrpc }, { listenClient: ['127.0.0.1:0'], ...options.settings });
  await store.start();
  const address = store.addresses[0] as string;
  return { address, open: () => (options.inMemory ? store.channel() : grpcChannel(address)), stop: () => store.stop() };
}

/** Three of ours in this process, over gRPC, on disk; clients talk to the leader, to one that follows it, or to all in turn. */
export async function startCluster(role: 'leader' | 'follower' | 'any'): Promise<Server> {
  const dir = temporaryDir();
  const ports = [await freePort(), await freePort(), await freePort()];
  const initialCluster = ports.map((port, i) => `m${i}=127.0.0.1:${port}`);
  const stores = ports.map((port, i) => {
    const own = { name: `m${i}`, dataDir: join(dir.path, `m${i}`), listenPeer: [`127.0.0.1:${port}`], initialCluster, electionTimeout: 500, heartbeatInterval: 50 };
    return createStore(env(), { disk: nodeDisk, serveGrpc, dialGrpc }, { listenClient: ['127.0.0.1:0'], ...own });
  });
  await Promise.all(stores.map((store) => store.start()));
  const leads = async (store: (typeof stores)[number]): Promise<boolean> => {
    await createClient(ClusterDefinition, store.channel()).memberList({ linearizable: true });
    const { header, leader } = await createClient(MaintenanceDefinition, store.channel()).status({});
    return header?.memberId === leader;
  };
  const roles = await Promise.all(stores.map(leads));
  const all = stores.map(({ addresses }) => addresses[0] as string);
  const address = role === 'any' ? all.join() : (all[roles.indexOf(role === 'leader')] as string);
  const open = (): Channel => (role === 'any' ? spreadChannel(all.map((one) => grpcChannel(one)), { now: () => realClock.monotonic(), random: realRandom }) : grpcChannel(address));
  const stop = async (): Promise<void> => {
    for (const store of stores) await store.stop();
    dir.remove();
  };
  return { address, open, stop };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function untilServing(process: ChildProcess, open: () => Channel): Promise<void> {
  const channel = open();
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

/** The original; with a data directory it goes on from what is there. */
export async function startEtcd(binary: string, dataDir?: string): Promise<Server> {
  const dir = dataDir === undefined ? temporaryDir() : { path: dataDir, remove: () => undefined };
  const [client, peer] = [await freePort(), await freePort()];
  const urls = ['--listen-client-urls', `http://127.0.0.1:${client}`, '--advertise-client-urls', `http://127.0.0.1:${client}`];
  const peers = ['--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`, '--initial-cluster', `default=http://127.0.0.1:${peer}`];
  const joins = dataDir === undefined ? peers : peers.slice(0, 2);
  const child = spawn(binary, ['--data-dir', dir.path, '--log-level', 'error', ...urls, ...joins], { stdio: 'ignore' });
  const address = `127.0.0.1:${client}`;
  const open = (): Channel => grpcChannel(address);
  await untilServing(child, open);
  return { address, open, stop: () => end(child, dir) };
}

/** Ours as a process of its own: from source, on disk, over TLS with client certificates, as a cluster runs it. */
export async function startStoreProcess(): Promise<Server & { readonly tls: StoreTls }> {
  const dir = temporaryDir();
  const pki = ensurePki(join(dir.path, 'pki'));
  const { cert, key } = pki.servingCert('store', { subject: { commonName: 'store' }, altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } });
  const file = (name: string): string => join(dir.path, 'pki', name);
  const address = `127.0.0.1:${await freePort()}`;
  const files = ['--cert-file', file('store.crt'), '--key-file', file('store.key'), '--trusted-ca-file', file('ca.crt'), '--client-cert-auth'];
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, '--data-dir', join(dir.path, 'data'), '--listen-client', address, ...files], { stdio: 'ignore' });
  const tls = { ca: pki.caCert, cert, key };
  const open = (): Channel => grpcChannel(address, { tls, serverName: 'localhost' });
  await untilServing(child, open);
  return { address, tls, open, stop: () => end(child, dir) };
}

export interface StoreTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

async function end(child: ChildProcess, dir: { remove: () => void }): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null && child.kill('SIGKILL')) await gone;
  dir.remove();
}
