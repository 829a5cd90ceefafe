import { ConfigError } from '@orrery/runtime';
import { Command, CommanderError } from 'commander';
import { isMainThread } from 'node:worker_threads';
import { addBalance } from './commands/balance.ts';
import { addChaos } from './commands/chaos.ts';
import { addClock } from './commands/clock.ts';
import { addCloud } from './commands/cloud.ts';
import { addCompletion } from './commands/completion.ts';
import { addDown } from './commands/down.ts';
import { addEnvtest } from './commands/envtest.ts';
import { addKubeconfig } from './commands/kubeconfig.ts';
import { addLogs } from './commands/logs.ts';
import { addNode } from './commands/node.ts';
import { addPki } from './commands/pki.ts';
import { addRecord, addReplay } from './commands/record.ts';
import { addSchedule } from './commands/schedule.ts';
import { addSnapshot } from './commands/snapshot.ts';
import { addStatus } from './commands/status.ts';
import { addUp } from './commands/up.ts';
import { addUpgrade } from './commands/upgrade.ts';
import { ExitCode, UserError } from './user-error.ts';
import { runThread } from './single/thread/run-thread.ts';
import { version } from './version.ts';

if (!isMainThread) runThread();
else await runProgram();

async function runProgram(): Promise<void> {
  const program = new Command('orrery')
    .description('Kubernetes clusters in a second: no Docker, no root.')
    .version(version)
    .showHelpAfterError('(see --help)')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 no cluster runs there, 4 one already does.\nThe data directory is --data-dir, else $ORRERY_DATA_DIR, else ~/.orrery/default.')
    .exitOverride();

  for (const add of [addUp, addUpgrade, addStatus, addLogs, addKubeconfig, addClock, addNode, addCloud, addSnapshot, addRecord, addReplay, addChaos, addEnvtest, addDown, addCompletion, addPki, addBalance, addSchedule]) add(program);
  for (const command of program.commands) command.exitOverride().showHelpAfterError('(see --help)');

  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage);
    const isPlain = error instanceof UserError || error instanceof ConfigError;
    process.stderr.write(`orrery: ${isPlain ? error.message : ((error as Error).stack ?? String(error))}\n`);
    process.exit(error instanceof UserError ? error.exitCode : ExitCode.failed);
  }
}
