import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CommandResult, runCommand } from './command.ts';
import { type Kubectl, kubectlFor } from './kubectl.ts';
import { guard } from './real/guard.ts';

export interface ClusterOptions {
  readonly layout: 'single' | 'processes';
  readonly nodes?: number;
  readonly args?: readonly string[];
}

/** A cluster in processes of its own, on a data directory of its own, removed with everything by `destroy`, or with the process that started it. */
export interface TestCluster {
  readonly dataDir: string;
  readonly kubeconfig: string;
  kubectl(program?: string): Kubectl;
  orrery(...args: readonly string[]): Promise<CommandResult>;
  /** Starts it (again) and waits until it is ready. */
  up(): Promise<void>;
  state(): { pid: number; server: string; endpoints: Record<string, string>; processes?: Record<string, number> };
  /** Kills the cluster's main process at once, as a power cut would. */
  kill9(): Promise<void>;
  /** The end of every component's log, for failures. */
  logs(): string;
  destroy(): Promise<void>;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** The built program, or the one `ORRERY_PROGRAM` names (`apps/cli/src/main.ts` runs as it is). */
export function orreryProgram(): string {
  return process.env['ORRERY_PROGRAM'] ?? join(root, 'dist/apps/cli/main.js');
}

function tails(dir: string): string {
  if (!existsSync(dir)) return '';
  return readdirSync(dir)
    .map((file) => `--- ${file}\n${readFileSync(join(dir, file), 'utf8').trimEnd().split('\n').slice(-12).join('\n')}`)
    .join('\n');
}

export async function startTestCluster(options: ClusterOptions): Promise<TestCluster> {
  const home = mkdtempSync(join(tmpdir(), 'orrery-test-'));
  const dataDir = join(home, 'data');
  const kubeconfig = join(home, 'kubeconfig');
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  const orrery = (...args: readonly string[]): Promise<CommandResult> => runCommand(process.execPath, [orreryProgram(), ...args], { env, timeoutMs: 180_000 });
  const watcher = guard('"$1" "$2" down --data-dir "$3" --purge; rm -rf "$4"', process.execPath, orreryProgram(), dataDir, home);
  const cluster: TestCluster = {
    dataDir,
    kubeconfig,
    kubectl: (program = 'kubectl') => kubectlFor({ program, kubeconfig, home }),
    orrery,
    async up() {
      const { nodes = 3, layout, args = [] } = options;
      const result = await orrery('up', '--detach', '--wait', '--data-dir', dataDir, '--api-port', '0', '--kubeconfig', kubeconfig, '--nodes', String(nodes), '--layout', layout, ...args);
      if (result.code !== 0) throw new Error(`orrery up failed (${result.code}):\n${result.stdout}${result.stderr}\n${tails(join(dataDir, 'logs'))}`);
    },
    state: () => JSON.parse(readFileSync(join(dataDir, 'cluster.json'), 'utf8')) as ReturnType<TestCluster['state']>,
    async kill9() {
      const { pid } = cluster.state();
      process.kill(pid, 'SIGKILL');
      for (;;) {
        try {
          process.kill(pid, 0);
        } catch {
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    logs: () => tails(join(dataDir, 'logs')),
    async destroy() {
      await orrery('down', '--data-dir', dataDir, '--purge');
      rmSync(home, { recursive: true, force: true });
      watcher.release();
    },
  };
  await cluster.up();
  return cluster;
}
