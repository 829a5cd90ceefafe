import { readFileSync } from 'node:fs';
import type { ApiClient } from '@orrery/client';
import { createHttpClient } from '@orrery/node-io';
import { type Env, resolveConfig } from '@orrery/runtime';
import { type Scheduler, connectExtender, createScheduler, readConfiguration, schedulerSchema } from '@orrery/scheduler/component';
import { type ExtraConfig, extraSettings } from '../extra-config.ts';

const read = (path: string): string => readFileSync(path, 'utf8');

/** The scheduler of a cluster in one process, with the flags given to it by `--extra-config`. */
export function singleScheduler(env: Env, api: ApiClient, extra: ExtraConfig): Scheduler {
  const config = resolveConfig(schedulerSchema, [extraSettings('scheduler', extra)]);
  const configuration = readConfiguration(config.config, read);
  return createScheduler(env, { api, identity: 'single', connect: connectExtender(read, createHttpClient), ...(configuration ? { configuration } : {}) }, config);
}
