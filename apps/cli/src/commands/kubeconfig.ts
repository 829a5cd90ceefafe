import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { dataDir } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

export function addKubeconfig(program: Command): void {
  program
    .command('kubeconfig')
    .description('print the kubeconfig of a cluster')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('--path', 'print where the file is instead')
    .action((options: { dataDir?: string; path?: boolean }) => {
      const dir = dataDir(options.dataDir);
      if (!existsSync(dir.kubeconfig)) throw new UserError(`no cluster was started on ${dir.root} yet; run \`orrery up --data-dir ${dir.root}\``, ExitCode.notRunning);
      process.stdout.write(options.path ? `${dir.kubeconfig}\n` : readFileSync(dir.kubeconfig, 'utf8'));
    });
}
