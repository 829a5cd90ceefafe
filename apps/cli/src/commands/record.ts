import { closeSync, openSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ResourceRef } from '@orrery/apimachinery';
import type { ApiClient, HttpClient } from '@orrery/client';
import { realClock, stopSignal, whenAborted } from '@orrery/node-io';
import { type Command, InvalidArgumentError } from 'commander';
import { watchableResources } from '../records/discovery.ts';
import { header, parseRecording } from '../records/record-format.ts';
import { Recorder } from '../records/recorder.ts';
import { type ReplayResult, replay } from '../records/replayer.ts';
import { ExitCode, UserError } from '../user-error.ts';
import { parseSpan } from './clock.ts';
import { connectByKubeconfig, readUserFile, requireRunning } from './running.ts';

interface Target {
  readonly dataDir?: string;
  readonly kubeconfig?: string;
}

function connect({ dataDir, kubeconfig }: Target): { http: HttpClient; api: ApiClient } {
  return connectByKubeconfig(kubeconfig ?? join(requireRunning(dataDir).dir.root, 'kubeconfig'));
}

interface RecordOptions extends Target {
  readonly resources?: string;
  readonly withSecrets?: boolean;
  readonly for?: string;
}

const flushEveryMs = 100;
const discoverEveryMs = 5_000;

const nameOf = ({ group, resource }: ResourceRef): string => (group ? `${resource}.${group}` : resource);

/** Heartbeats, what is told twice under another name, and what the server makes of Services by itself. */
const left = new Set(['leases.coordination.k8s.io', 'events.events.k8s.io', 'ipaddresses.networking.k8s.io']);

/** What is recorded: everything that can be watched but Secrets and a few more. */
function wanted(resource: ResourceRef, { resources, withSecrets = false }: RecordOptions): boolean {
  const name = nameOf(resource);
  if (resources !== undefined) return resources.split(',').some((one) => one === name || one === resource.resource);
  if (name === 'secrets') return withSecrets;
  return !left.has(name);
}

async function record(file: string, options: RecordOptions): Promise<void> {
  const { http, api } = connect(options);
  const output = openSync(file, 'w', 0o600);
  let lines = 0;
  const line = (value: object): void => void writeSync(output, `${JSON.stringify(value)}\n`);
  line(header(Date.now()));
  const recorder = new Recorder({ api, clock: realClock, write: (change) => void (line(change), lines++) });
  const discover = async (): Promise<void> => {
    for (const resource of await watchableResources(http)) if (wanted(resource, options)) recorder.follow(resource);
  };
  await discover().catch((error: unknown) => {
    throw new UserError((error as Error).message);
  });
  const stop = stopSignal();
  const timers = [realClock.every(flushEveryMs, () => recorder.flush()), realClock.every(discoverEveryMs, () => void discover().catch(() => undefined))];
  process.stderr.write(`Recording to ${resolve(file)}; Ctrl-C ends it\n`);
  await Promise.race([whenAborted(stop), ...(options.for ? [realClock.sleep(parseSpan(options.for))] : [])]);
  for (const timer of timers) timer.cancel();
  recorder.stop();
  closeSync(output);
  process.stdout.write(`${lines} changes in ${resolve(file)}\n`);
  process.exit(ExitCode.ok);
}

function speed(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const factor = Number(text.replace(/x$/, ''));
  if (text === '' || !(factor > 0)) throw new InvalidArgumentError('a number above 0 is needed, such as 60, or max.');
  return factor;
}

function resultText({ created, updated, deleted, refused }: ReplayResult): string {
  const lines = [`${created} created, ${updated} updated, ${deleted} deleted`];
  for (const [why, count] of [...refused].sort((a, b) => b[1] - a[1])) lines.push(`  not taken, ${count} times: ${why}`);
  return `${lines.join('\n')}\n`;
}

async function play(file: string, options: Target & { speed: number }): Promise<void> {
  const { api } = connect(options);
  let changes: ReturnType<typeof parseRecording>;
  try {
    changes = parseRecording(readUserFile(file));
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${file}: ${(error as Error).message}`);
  }
  const onProgress = (done: number, total: number): void => {
    if (process.stderr.isTTY && (done % 50 === 0 || done === total)) process.stderr.write(`\r${done} of ${total} changes   ${done === total ? '\n' : ''}`);
  };
  const result = await replay(changes, { api, clock: realClock, speed: options.speed, signal: stopSignal(), onProgress }).catch((error: unknown) => {
    throw new UserError(`the replay ended early: ${(error as Error).message}`);
  });
  process.stdout.write(resultText(result));
  process.exit(ExitCode.ok);
}

export function addRecord(program: Command): void {
  program
    .command('record')
    .description('write what happens to all objects of a cluster to a file, until Ctrl-C')
    .argument('<file>', 'where to: JSON lines, the state at the beginning first')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('--kubeconfig <file>', 'of any other cluster')
    .option('--resources <list>', 'only these, such as pods,deployments.apps; without it all but Secrets and Leases')
    .option('--with-secrets', 'Secrets, too')
    .option('--for <span>', 'end after so long, such as 5m')
    .action((file: string, options: RecordOptions) => record(file, options));
}

export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('bring about in a cluster what was recorded in another')
    .argument('<file>', 'a recording of `orrery record`')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('--kubeconfig <file>', 'of any other cluster')
    .option('--speed <factor>', 'so many times as fast as it happened, or max', speed, 1)
    .addHelpText('after', '\nObjects are created, updated (their status, too) and deleted as they were recorded. Whoever else works on them interferes: for what controllers, scheduler and kubelets did to be\nseen as it was, replay into a cluster without them:\n  orrery up --nodes 0 --without scheduler,controller-manager,cloud,cloud-controller-manager,coredns,ingress,metrics-server')
    .action((file: string, options: Target & { speed: number }) => play(file, options));
}
