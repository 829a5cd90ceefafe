import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { clusterServerName, ensurePki, nodeDisk, realEnv, replaceFile } from '@orrery/node-io';
import { MaintenanceDefinition } from '@orrery/proto/etcd';
import { createClient, grpcChannel } from '@orrery/rpc';
import { createStore } from '@orrery/store/component';
import type { Command } from 'commander';
import { type DataDir, beginRestore, dataDir, isHalfRestored, lockDataDir, prepareDataDir, runningCluster } from '../data-dir.ts';
import { type SavedFile, decodeSnapshot, encodeSnapshot } from '../records/snapshot-file.ts';
import { ExitCode, UserError } from '../user-error.ts';
import { requireRunning } from './running.ts';

interface SnapshotOptions {
  readonly dataDir?: string;
  readonly force?: boolean;
}

/** What lies in a data directory besides the store and is not made anew at each start. */
const kept = ['pki', 'nodes', 'cloud-disks', 'encryption.yaml', 'clock.json', 'cloud.json', 'nodes.json'];

function* filesBelow(path: string): Iterable<string> {
  if (!existsSync(path)) return;
  const found = statSync(path);
  if (found.isFile()) yield path;
  else if (found.isDirectory()) for (const entry of readdirSync(path)) yield* filesBelow(join(path, entry));
}

function savedFiles({ root }: DataDir): SavedFile[] {
  return kept.flatMap((name) => [...filesBelow(join(root, name))].map((path) => ({ path: relative(root, path).split(sep).join('/'), mode: statSync(path).mode & 0o777, bytes: readFileSync(path) })));
}

/** The store's backup, as `etcdctl snapshot save` takes it: of one moment, while all goes on. */
async function backup(dir: DataDir, etcd: string, layout: string): Promise<Uint8Array> {
  const pki = ensurePki(dir.pki, { dnsNames: [clusterServerName] });
  const tls = layout === 'single' ? {} : { tls: { ca: pki.caCert, ...pki.clientCert('kubernetes-admin', ['system:masters']) }, serverName: clusterServerName };
  let failure: unknown;
  for (const address of etcd.split(',')) {
    const channel = grpcChannel(address, tls);
    try {
      const parts: Uint8Array[] = [];
      for await (const { blob } of createClient(MaintenanceDefinition, channel).snapshot({})) if (blob) parts.push(blob);
      return Buffer.concat(parts);
    } catch (error) {
      failure = error;
    } finally {
      channel.close();
    }
  }
  throw new UserError(`no store gave a backup: ${(failure as Error).message}`);
}

async function save(file: string, options: SnapshotOptions): Promise<void> {
  const { dir, state } = requireRunning(options.dataDir);
  const store = await backup(dir, state.endpoints['etcd'] ?? '', state.layout);
  const bytes = encodeSnapshot({ takenMs: Date.now(), layout: state.layout, nodes: state.nodes, store, files: savedFiles(dir) });
  // It holds the keys of the cluster.
  replaceFile(file, bytes, { mode: 0o600 });
  process.stdout.write(`${resolve(file)}: ${(bytes.length / 1024 ** 2).toFixed(1)} MiB, with the keys of the cluster: keep it as safe as these\n`);
  process.exit(ExitCode.ok);
}

/** Gives a new store the backup to begin with. */
async function restoreStore(dir: DataDir, store: Uint8Array): Promise<void> {
  const initialSnapshot = join(dir.root, 'restored.snapshot');
  writeFileSync(initialSnapshot, store, { mode: 0o600 });
  const component = createStore(realEnv({ name: 'restore', level: 'error' }), { disk: nodeDisk }, { dataDir: dir.store, initialSnapshot, listenClient: [] });
  try {
    await component.start();
  } finally {
    await component.stop();
    rmSync(initialSnapshot, { force: true });
  }
}

/** Until all is there, the directory says that it is not: `orrery up` refuses it, and what is there may be replaced. */
async function replaceContent(dir: DataDir, { files, store }: ReturnType<typeof decodeSnapshot>, { force }: SnapshotOptions): Promise<void> {
  const present = readdirSync(dir.root).filter((name) => !name.startsWith('up.lock'));
  if (present.length > 0 && !force && !isHalfRestored(dir)) throw new UserError(`${dir.root} is not empty; --force replaces what is there`);
  const done = beginRestore(dir);
  for (const name of present) if (name !== 'restoring') rmSync(join(dir.root, name), { recursive: true });
  prepareDataDir(dir);
  for (const { path, mode, bytes } of files) {
    mkdirSync(dirname(join(dir.root, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir.root, path), bytes, { mode });
  }
  await restoreStore(dir, store);
  done();
}

async function restore(file: string, options: SnapshotOptions): Promise<void> {
  const dir = dataDir(options.dataDir);
  const running = runningCluster(dir);
  if (running) throw new UserError(`a cluster runs on ${dir.root} (pid ${running.pid}); stop it with \`orrery down --data-dir ${dir.root}\` first`, ExitCode.alreadyRunning);
  let snapshot: ReturnType<typeof decodeSnapshot>;
  try {
    snapshot = decodeSnapshot(readFileSync(file));
  } catch (error) {
    throw new UserError(`cannot restore ${file}: ${(error as Error).message}`);
  }
  mkdirSync(dir.root, { recursive: true, mode: 0o700 });
  const lock = await lockDataDir(dir);
  try {
    await replaceContent(dir, snapshot, options);
  } finally {
    await lock.release();
  }
  const layout = snapshot.layout === 'single' ? '' : ` --layout ${snapshot.layout}`;
  process.stdout.write(`Restored as of ${new Date(snapshot.takenMs).toISOString()}. Start it:\n  orrery up --data-dir ${dir.root} --nodes ${snapshot.nodes}${layout}\n`);
  process.exit(ExitCode.ok);
}

export function addSnapshot(program: Command): void {
  const snapshot = program
    .command('snapshot')
    .description('save the whole state of a cluster to a file, and make a cluster of it')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .addHelpText('after', '\nA snapshot holds everything: all objects as of one moment, the keys and certificates, what pods wrote to the disks of nodes, the cloud\'s state and how far the clock is ahead.\nA cluster that is made of it has one store, of whatever layout it was; its containers start anew, as after a restart.');
  snapshot.command('save').description('save a cluster that runs; it goes on meanwhile').argument('<file>', 'where to').action((file: string) => save(file, snapshot.opts()));
  snapshot
    .command('restore')
    .description('make a data directory of a snapshot; `orrery up` starts it')
    .argument('<file>', 'a snapshot')
    .option('--force', 'replace what is in the data directory')
    .action((file: string, { force = false }: { force?: boolean }) => restore(file, { ...snapshot.opts(), force }));
}
