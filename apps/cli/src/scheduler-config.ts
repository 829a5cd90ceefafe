import { resolve } from 'node:path';
import { createRestApiClient } from '@orrery/client';
import { createHttpClient, realEnv } from '@orrery/node-io';
import { silentLogger } from '@orrery/runtime';
import { type ExtraConfig, addExtraConfig } from './extra-config.ts';
import { singleScheduler } from './single/scheduler.ts';
import { ExitCode, UserError } from './user-error.ts';

/** Reads the file and makes the profiles it asks for: whether a plugin exists is known only then. Nothing is started, so nobody is asked. */
function tryOut(extra: ExtraConfig): void {
  const env = { ...realEnv({ name: 'scheduler' }), log: silentLogger };
  singleScheduler(env, createRestApiClient({ http: createHttpClient({ server: 'https://127.0.0.1' }), env }), extra);
}

/**
 * The KubeSchedulerConfiguration in `file` as a flag of the cluster's own scheduler, by its absolute path (schedulers that are processes of
 * their own may have another directory). Throws a UserError (usage) for a file that is not there or that the scheduler would refuse:
 * where it is a process, it would otherwise be started again and again.
 */
export function withSchedulerConfig(file: string, { extra, without }: { readonly extra: ExtraConfig; readonly without: readonly string[] }): ExtraConfig {
  if (without.includes('scheduler')) throw new UserError('--scheduler-config goes with a scheduler of the cluster, which --without leaves out', ExitCode.usage);
  if (extra['scheduler']?.some((word) => word.startsWith('--config='))) throw new UserError('--scheduler-config and --extra-config scheduler.config say the same: give one of them', ExitCode.usage);
  const path = resolve(file);
  const all = addExtraConfig(`scheduler.config=${path}`, extra);
  try {
    tryOut(all);
  } catch (error) {
    throw new UserError(`--scheduler-config ${path}: ${(error as Error).message}`, ExitCode.usage);
  }
  return all;
}
