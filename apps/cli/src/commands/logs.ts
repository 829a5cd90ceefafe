import { closeSync, existsSync, openSync, readSync, readdirSync, statSync, watchFile } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type DataDir, dataDir } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

function componentsWithLogs(dir: DataDir): string[] {
  if (!existsSync(dir.logs)) return [];
  return readdirSync(dir.logs).filter((file) => file.endsWith('.log')).map((file) => file.slice(0, -4)).sort();
}

function readFrom(file: string, from: number): Buffer {
  const size = statSync(file).size;
  const length = Math.max(0, size - from);
  const bytes = Buffer.alloc(length);
  const handle = openSync(file, 'r');
  readSync(handle, bytes, 0, length, from);
  closeSync(handle);
  return bytes;
}

function lastLines(bytes: Buffer, count: number): Buffer {
  let at = bytes.length - 1;
  for (let lines = 0; at > 0; at--) if (bytes[at - 1] === 10 && ++lines === count) break;
  return bytes.subarray(Math.max(0, at));
}

function logs(dir: DataDir, component: string, options: { follow?: boolean; tail?: string }): void {
  const file = join(dir.logs, `${component}.log`);
  if (!existsSync(file)) {
    const known = componentsWithLogs(dir);
    const hint = known.length ? `one of: ${known.join(', ')}` : `no cluster was started on ${dir.root} yet`;
    throw new UserError(`no log of ${JSON.stringify(component)}; ${hint}`, known.length ? ExitCode.usage : ExitCode.notRunning);
  }
  const all = readFrom(file, 0);
  process.stdout.write(options.tail === undefined ? all : lastLines(all, Number(options.tail)));
  if (!options.follow) return;
  let at = all.length;
  watchFile(file, { interval: 200 }, (now) => {
    if (now.size < at) at = 0;
    const bytes = readFrom(file, at);
    at += bytes.length;
    process.stdout.write(bytes);
  });
}

export function addLogs(program: Command): void {
  program
    .command('logs')
    .description('print the log of one component (JSON lines)')
    .argument('<component>', 'apiserver, store, scheduler, controller-manager, kubelet …')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('-f, --follow', 'go on as lines come')
    .option('--tail <lines>', 'only the last lines')
    .action((component: string, options: { dataDir?: string; follow?: boolean; tail?: string }) => logs(dataDir(options.dataDir), component, options));
}
