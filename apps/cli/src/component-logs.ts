import { type WriteStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { realRandom, withProcessMetrics } from '@orrery/node-io';
import { type Clock, type Env, type LogLevel, createLogger, createMetrics, formatJsonLine } from '@orrery/runtime';

/** Gives every component of a process its own log file, logs/NAME.log, and its own metrics; what these tell of the process is that of all. */
export interface ComponentLogs {
  env(component: string): Env;
  close(): Promise<void>;
}

export function createComponentLogs(dir: string, { levelOf = () => 'info', clock }: { readonly levelOf?: (component: string) => LogLevel; readonly clock: Clock }): ComponentLogs {
  const files = new Map<string, WriteStream>();
  const open = (component: string): WriteStream => {
    let file = files.get(component);
    if (!file) {
      file = createWriteStream(join(dir, `${component}.log`), { flags: 'a', mode: 0o600 });
      file.on('error', (error) => process.stderr.write(`orrery: cannot write the log of ${component}: ${error.message}\n`));
      files.set(component, file);
    }
    return file;
  };
  return {
    env(component) {
      const file = open(component);
      const log = createLogger({ now: () => clock.now(), level: levelOf(component), write: (record) => void file.write(formatJsonLine(record)), fields: { component } });
      return { clock, random: realRandom, log, metrics: withProcessMetrics(createMetrics()) };
    },
    close: async () => void (await Promise.all([...files.values()].map((file) => new Promise((done) => file.end(done))))),
  };
}
