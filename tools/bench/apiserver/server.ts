import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orreryProgram, runCommand } from '@orrery/testkit';

/** Everything that can be left out besides the API server and its store. */
const others = ['scheduler', 'controller-manager', 'cloud-controller-manager', 'cloud', 'kube-proxy', 'coredns', 'ingress'];

export interface BenchServer {
  readonly kubeconfig: string;
  /** Resident memory of the process, MB; undefined for a server that somebody else runs. */
  memoryMb(): number | undefined;
  /** Processor time it has used, all threads, ms; undefined likewise. Unlike rates it does not depend on who else uses the machine. */
  cpuMs(): number | undefined;
  stop(): Promise<void>;
}

/** Resident memory of a process, MB. */
function residentMb(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n').find((l) => l.startsWith('VmRSS'));
  return Number(line?.replace(/\D/g, '')) / 1024;
}

/** Processor time of a process, ms: user and system time are fields 14 and 15, in hundredths of a second. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function foreignServer(kubeconfig: string): BenchServer {
  return { kubeconfig, memoryMb: () => undefined, cpuMs: () => undefined, stop: async () => undefined };
}

/** Our own API server with the durable store, in a process of its own. */
export async function ownServer(): Promise<BenchServer> {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-bench-'));
  const args = ['up', '--detach', '--wait', '--data-dir', dir, '--api-port', '0', '--nodes', '0', '--without', others.join(',')];
  const up = await runCommand(process.execPath, [orreryProgram(), ...args], { timeoutMs: 180_000 });
  if (up.code !== 0) throw new Error(up.stdout + up.stderr);
  const { pid } = JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { pid: number };
  return {
    kubeconfig: join(dir, 'kubeconfig'),
    memoryMb: () => residentMb(pid),
    cpuMs: () => processorMs(pid),
    async stop() {
      await runCommand(process.execPath, [orreryProgram(), 'down', '--data-dir', dir, '--purge']);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
