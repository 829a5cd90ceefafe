import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { UpOptions } from './commands/up.ts';
import { type DataDir, runningCluster } from './data-dir.ts';
import { extraArguments } from './extra-config.ts';
import { nextSteps } from './next-steps.ts';
import { ExitCode, UserError } from './user-error.ts';

function foregroundArguments(dir: DataDir, options: UpOptions): string[] {
  const args = ['up', '--data-dir', dir.root, '--nodes', String(options.nodes), '--api-port', String(options.apiPort), '--api-host', options.apiHost];
  args.push('--layout', options.layout, '--node-cpu', options.nodeCpu, '--node-memory', options.nodeMemory, '--node-pods', String(options.nodePods));
  if (options.stores !== undefined) args.push('--stores', String(options.stores));
  args.push('--apiservers', String(options.apiservers), '--replicas', String(options.replicas));
  if (options.chaos) args.push('--chaos');
  if (options.nodeLocalDns) args.push('--node-local-dns');
  if (options.threads !== undefined) args.push('--threads', String(options.threads));
  if (options.kubeconfig) args.push('--kubeconfig', resolve(options.kubeconfig));
  if (options.without.length) args.push('--without', options.without.join(','));
  args.push(...extraArguments(options.extraConfig));
  return args;
}

const exitCodeOf = (code: number | null): ExitCode => Object.values(ExitCode).find((known) => known === code && known !== ExitCode.ok) ?? ExitCode.failed;

function tail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
}

/**
 * Most objects of a cluster at work die young: with room for them the collector copies less (a tenth to a third more Pods a second), and
 * while the rest is small looking through it is not worth the time (a tenth more); what that leaves, `returnMemoryWhenQuiet` collects.
 * V8 takes four threads for that beside the main one whatever the machine has; where they are more than its processors, they are in each other's way.
 */
const nodeFlags = ['--max-semi-space-size=64', '--initial-old-space-size=512', `--v8-pool-size=${Math.min(4, Math.max(1, availableParallelism() - 1))}`];

/**
 * Starts `orrery up` as a process of its own whose output goes to `logs/orrery.log`, and waits as far as was asked. Rejects with a UserError when it ends before (its exit code then
 * is that of `orrery up`), or when the time is over, with the end of that log. Otherwise it ends this process.
 */
export async function startDetached(dir: DataDir, options: UpOptions, program = process.argv[1] ?? ''): Promise<void> {
  const began = performance.now();
  const logFile = join(dir.logs, 'orrery.log');
  const log = openSync(logFile, 'w', 0o600);
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(process.execPath, [...process.execArgv, ...nodeFlags, program, ...foregroundArguments(dir, options)], { detached: true, stdio: ['ignore', log, log], env });
  closeSync(log);
  const pid = child.pid;
  if (pid === undefined) throw new UserError('the cluster\'s process could not be started');
  let ended: { readonly why: string; readonly code: ExitCode } | undefined;
  child.on('exit', (code, signal) => (ended = { why: signal ? `killed by ${signal}` : `exit code ${code ?? '?'}`, code: exitCodeOf(code) }));
  const deadline = began + options.timeout * 1000;
  for (;;) {
    const state = runningCluster(dir);
    if (state?.pid === pid && (state.ready || !options.wait)) {
      const seconds = (performance.now() - began) / 1000;
      const kubeconfig = resolve(options.kubeconfig ?? dir.kubeconfig);
      if (state.ready) process.stdout.write(nextSteps({ dir, seconds, kubeconfig, endpoints: state.endpoints, foreground: false }));
      else process.stdout.write(`Started (pid ${pid}, ${state.server}); \`orrery status --data-dir ${dir.root}\` tells when it is ready.\n  export KUBECONFIG=${kubeconfig}\n`);
      child.unref();
      process.exit(0);
    }
    if (ended) throw new UserError(`the cluster did not start (${ended.why}); the end of ${logFile}:\n${tail(logFile)}`, ended.code);
    if (performance.now() > deadline) throw new UserError(`the cluster was not ready within ${options.timeout} s; it goes on in the background (pid ${pid}). The end of ${logFile}:\n${tail(logFile)}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
