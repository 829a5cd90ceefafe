import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { onPath } from './servers.ts';

/** The original's own client, unmodified; undefined where it is not installed. */
export const etcdctl = onPath('etcdctl');
export const etcdctlMissing = etcdctl ? '' : ' (not run: no etcdctl program on the path; Debian: etcd-client)';

const env = { ...process.env, ETCDCTL_API: '3' };

/** Starts a command that goes on until it is ended; its output is read by the caller. */
export function etcdctlRunning(endpoints: string, words: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(etcdctl as string, [`--endpoints=${endpoints}`, ...words], { env });
}

/** Runs a command to its end; what it printed to standard output, then to standard error. */
export function runEtcdctl(endpoints: string, words: readonly string[], input = ''): Promise<{ out: string; err: string }> {
  const child = spawn(etcdctl as string, [`--endpoints=${endpoints}`, ...words], { env });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (err += text));
  // It may end before it has read all: what it printed says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', () => resolve({ out, err })));
}
