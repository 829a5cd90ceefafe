import type { Command } from 'commander';
import { askCluster } from '../control/client.ts';
import { dataDir, runningCluster } from '../data-dir.ts';
import type { ProcessAnswer } from '../processes/process-control.ts';
import { ExitCode, UserError } from '../user-error.ts';

async function upgrade(options: { dataDir?: string }): Promise<void> {
  const dir = dataDir(options.dataDir);
  const state = runningCluster(dir);
  if (!state) throw new UserError(`no cluster runs on ${dir.root}; \`orrery up --data-dir ${dir.root}\` starts one`, ExitCode.notRunning);
  if (!state.processControl) throw new UserError(`the components of a cluster in the ${state.layout} layout are one process: \`orrery down\` and \`orrery up\` start it from the newer build`);
  await askCluster(state.processControl, { path: '/upgrade', body: {}, onLine: (line) => {
    const { step } = line as ProcessAnswer;
    if (step) process.stdout.write(`  ${step}\n`);
  } });
  process.stdout.write('Upgraded. Container runtimes, the load balancer and NATS run on: restart them with the cluster, after draining a node with its container runtime.\n');
}

export function addUpgrade(program: Command): void {
  program
    .command('upgrade')
    .description('restart the components of a running cluster one by one from the build there is now, without a failed request or a restarted Pod (processes layout)')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .action(upgrade);
}
