import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { nodeDisk, replaceFile } from '@orrery/node-io';
import { type DiskLock, DiskLockedError } from '@orrery/runtime';
import { ExitCode, UserError } from './user-error.ts';

/** Where a cluster keeps everything: state that survives a restart, logs, and what tells other commands about it. */
export interface DataDir {
  readonly root: string;
  readonly pki: string;
  readonly store: string;
  readonly logs: string;
  readonly kubeconfig: string;
  /** Socket on which a running cluster takes orders. */
  readonly control: string;
}

/** What a running cluster says about itself, in `cluster.json`. */
export interface ClusterState {
  readonly pid: number;
  /** Distinguishes a process from a later one with the same pid; empty where the platform does not tell. */
  readonly processStart: string;
  readonly layout: 'single' | 'processes';
  readonly startedAt: string;
  readonly nodes: number;
  readonly server: string;
  readonly ready: boolean;
  /** host:port by purpose: etcd, api-grpc, dns, ingress-http, ingress-https. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** Path of the socket on which it takes orders (`orrery clock`); absent where it takes none. */
  readonly control?: string;
  /** Path of the socket on which the processes of this layout take orders. */
  readonly processControl?: string;
  /** pid by component, in the processes layout. */
  readonly processes?: Readonly<Record<string, number>>;
}

export function defaultDataDir(): string {
  return process.env['ORRERY_DATA_DIR'] ?? join(homedir(), '.orrery', 'default');
}

/** A socket's path may be 107 bytes long; a longer one is told apart by its hash. */
function controlPath(root: string): string {
  const path = join(root, 'control.sock');
  return Buffer.byteLength(path) <= 100 ? path : join(tmpdir(), `orrery-${createHash('sha256').update(root).digest('hex').slice(0, 16)}.sock`);
}

export function dataDir(path: string | undefined): DataDir {
  const root = resolve(path ?? defaultDataDir());
  return { root, pki: join(root, 'pki'), store: join(root, 'store'), logs: join(root, 'logs'), kubeconfig: join(root, 'kubeconfig'), control: controlPath(root) };
}

export function prepareDataDir(dir: DataDir): void {
  for (const path of [dir.root, dir.pki, dir.store, dir.logs]) mkdirSync(path, { recursive: true, mode: 0o700 });
}

const restoringFile = (dir: DataDir): string => join(dir.root, 'restoring');

/** A restore of a snapshot has begun here, and has not ended. */
export const isHalfRestored = (dir: DataDir): boolean => existsSync(restoringFile(dir));

/** Notes that a restore begins; what this returns, that all is there. */
export function beginRestore(dir: DataDir): () => void {
  replaceFile(restoringFile(dir), '');
  return () => rmSync(restoringFile(dir));
}

const stateFile = (dir: DataDir): string => join(dir.root, 'cluster.json');

/** Start time of a process in clock ticks since boot, where /proc tells it. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export function writeState(dir: DataDir, state: ClusterState): void {
  replaceFile(stateFile(dir), `${JSON.stringify(state, null, 2)}\n`);
}

/** Removes what the process `pid` said of itself; another's words stay. */
export function clearState(dir: DataDir, pid: number): void {
  if (readState(dir)?.pid === pid) rmSync(stateFile(dir), { force: true });
}

/** Undefined also for what is no state: it tells of nothing that runs, and the lock keeps others away from what does. */
function readState(dir: DataDir): ClusterState | undefined {
  if (!existsSync(stateFile(dir))) return undefined;
  try {
    const state = JSON.parse(readFileSync(stateFile(dir), 'utf8')) as ClusterState | null;
    return Number.isInteger(state?.pid) ? (state ?? undefined) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Keeps others from starting a cluster on this data directory, from before it can be asked for until after it has ended. Throws UserError (alreadyRunning) when one is at it. */
export async function lockDataDir({ root }: DataDir): Promise<DiskLock> {
  try {
    return await nodeDisk.lock(join(root, 'up.lock'));
  } catch (error) {
    if (!(error instanceof DiskLockedError)) throw error;
    throw new UserError(`another \`orrery up\` is starting or ending a cluster on ${root} (pid ${error.pid}); wait for it, or take another --data-dir`, ExitCode.alreadyRunning);
  }
}

/** The cluster that runs on this data directory, or undefined. A state file left by a killed process does not count. */
export function runningCluster(dir: DataDir): ClusterState | undefined {
  const state = readState(dir);
  if (!state || !isAlive(state.pid)) return undefined;
  const start = processStart(state.pid);
  return start === '' || state.processStart === '' || start === state.processStart ? state : undefined;
}
