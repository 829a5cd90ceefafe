import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { MainMessage } from '@orrery/node-io';
import { type FilesMessage, forget, readMemory, rememberChange, stampOf } from './memory.ts';
import { WatchedFiles } from './watched-files.ts';

export interface Restarted {
  /** Of the repository. */
  readonly root: string;
  readonly component: string;
  /** Of node. */
  readonly flags: readonly string[];
  /** Of the component. */
  readonly args: readonly string[];
}

/** What decides where an import leads, other than the files themselves. */
function packagesStamp(root: string): string {
  const manifests = ['apps', 'libs'].flatMap((dir) => readdirSync(join(root, dir)).map((name) => join(root, dir, name, 'package.json')));
  return [join(root, 'node_modules/.package-lock.json'), join(root, 'proto/package.json'), ...manifests].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0).join();
}

/** Runs a component from source, and again at every change of a file it is made of, until this process is told to end; then ends with its exit code. */
export function runAndRestart({ root, component, flags, args }: Restarted): void {
  const say = (text: string): void => void process.stderr.write(`serve: ${text}\n`);
  const main = join(root, 'apps', component, 'src/main.ts');
  const memory = join(root, 'node_modules/.cache/serve', `${component}-${process.pid}.json`);
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env;
  // What has not changed is not compiled again.
  const env = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/serve'), ...inherited, ORRERY_SERVE_MEMORY: memory };
  // Much is made while it starts, and most of it stays: a larger nursery is looked through less often. The warning that types are taken out by an experiment of node's is of no use here.
  const command = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32', '--import', join(root, 'tools/src/serve/preload.ts'), ...flags, main, ...args];
  let child: ChildProcess | undefined;
  let packages = packagesStamp(root);
  let isRestarting = false;
  let isStopping = false;

  const start = (since: number): void => {
    isRestarting = false;
    const now = packagesStamp(root);
    if (now !== packages) forget(memory);
    packages = now;
    let isReady = false;
    let areFilesKnown = false;
    const started = spawn(process.execPath, command, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
    child = started;
    started.on('message', (message: MainMessage | FilesMessage) => {
      if (message.type === 'files') {
        areFilesKnown = true;
        return files.add(message.files);
      }
      isReady = true;
      say(`${component} is ready after ${Math.round(performance.now() - since)} ms`);
    });
    started.on('exit', (code) => {
      child = undefined;
      if (isStopping) process.exit(code ?? 0);
      if (!areFilesKnown) files.add(readMemory(memory).files);
      if (isRestarting) return;
      // What it remembers may be why.
      if (!isReady) forget(memory);
      say(`${component} has ended with ${code ?? 'a signal'}, and starts again with the next change`);
    });
  };
  const files = new WatchedFiles((file) => {
    const since = performance.now();
    if (isRestarting || isStopping) return;
    say(`${relative(root, file)} has changed`);
    isRestarting = true;
    child?.once('exit', () => isStopping || start(since));
    child?.kill('SIGTERM');
    // While the old one ends.
    rememberChange(memory, file);
    if (!child) start(since);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      isStopping = true;
      if (!child) process.exit(0);
      child.kill(signal);
    });
  }
  process.on('exit', () => forget(memory));
  files.add({ [main]: stampOf(main) });
  start(performance.now());
}
