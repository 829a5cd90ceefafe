import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiClient, createRestApiClient } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { createHttpClient, loadKubeconfig, realEnv } from '@orrery/node-io';
import { orreryProgram, runCommand } from '@orrery/testkit';

/** A cluster of a bench's own. */
export interface BenchCluster {
  readonly kubeconfig: string;
  /** Of its process, in the single layout the only one. */
  readonly pid: number;
  /** From the command to ready. */
  readonly seconds: number;
  stop(): Promise<void>;
}

/** Thousands of nodes on a machine that others use too: a figure over budget says more than none. */
const startSeconds = 900;

export async function startCluster(nodes: number, args: readonly string[] = []): Promise<BenchCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-bench-'));
  const began = performance.now();
  const up = await runCommand(process.execPath, [orreryProgram(), 'up', '--detach', '--wait', '--data-dir', dir, '--api-port', '0', '--nodes', String(nodes), '--timeout', String(startSeconds), ...args], { timeoutMs: startSeconds * 1000 + 10_000 });
  if (up.code !== 0) throw new Error(up.stdout + up.stderr);
  const seconds = (performance.now() - began) / 1000;
  const { pid } = JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { pid: number };
  return {
    kubeconfig: join(dir, 'kubeconfig'),
    pid,
    seconds,
    async stop() {
      await runCommand(process.execPath, [orreryProgram(), 'down', '--data-dir', dir, '--purge']);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Resident memory of a process, MB. */
export function residentMb(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n').find((l) => l.startsWith('VmRSS'));
  return Number(line?.replace(/\D/g, '')) / 1024;
}

/** CPU seconds that a process has used: what a figure means on a machine that others use too. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks / 100;
}

/** A REST client with the credentials of a kubeconfig. */
export function apiOf(kubeconfig: string): ApiClient {
  const { server, ca, cert, key, token } = loadKubeconfig(kubeconfig);
  const http = createHttpClient({ server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
  return createRestApiClient({ http, env: realEnv({ name: 'bench', level: 'error' }), ...(token ? { token } : {}) });
}

/** Resolves with the seconds since `began` once `done` says so, asked every `everyMs`. */
export async function secondsUntil(what: string, done: () => Promise<boolean>, { everyMs = 25, limitMs = 600_000, began = performance.now() } = {}): Promise<number> {
  // A busy server may let a kept connection go just as it is used again: it is asked anew.
  const asked = (): Promise<boolean> => done().catch((error: unknown) => {
    if (error instanceof StatusError && error.code === 503) return false;
    throw error;
  });
  while (!(await asked())) {
    if (performance.now() - began > limitMs) throw new Error(`${what} took more than ${limitMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return (performance.now() - began) / 1000;
}
