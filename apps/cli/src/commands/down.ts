import { rmSync } from 'node:fs';
import type { Command } from 'commander';
import { type ClusterState, type DataDir, clearState, dataDir, isAlive, runningCluster } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

async function stopCluster(state: ClusterState, timeoutSeconds: number): Promise<boolean> {
  const gone = async (ms: number): Promise<boolean> => {
    const end = Date.now() + ms;
    while (isAlive(state.pid) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    return !isAlive(state.pid);
  };
  process.kill(state.pid, 'SIGTERM');
  if (await gone(timeoutSeconds * 1000)) return true;
  for (const pid of [...Object.values(state.processes ?? {}), state.pid]) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await gone(5_000);
  return false;
}

async function down(dir: DataDir, options: { timeout: string; purge?: boolean }): Promise<void> {
  const state = runningCluster(dir);
  if (!state && !options.purge) throw new UserError(`no cluster runs on ${dir.root}; \`orrery up --data-dir ${dir.root}\` starts one`, ExitCode.notRunning);
  if (state) {
    const clean = await stopCluster(state, Number(options.timeout));
    process.stdout.write(clean ? `Stopped the cluster on ${dir.root}.\n` : `Killed the cluster on ${dir.root}: it did not stop within ${options.timeout} s. Nothing acknowledged is lost.\n`);
  }
  if (state) clearState(dir, state.pid);
  if (options.purge) {
    rmSync(dir.root, { recursive: true, force: true });
    process.stdout.write(`Removed ${dir.root}.\n`);
  }
}

export function addDown(program: Command): void {
  program
    .command('down')
    .description('stop a cluster; its data stays for the next `orrery up`')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('--timeout <seconds>', 'how long to wait for a clean stop before killing', '20')
    .option('--purge', 'remove the data directory too')
    .action((options: { dataDir?: string; timeout: string; purge?: boolean }) => down(dataDir(options.dataDir), options));
}
