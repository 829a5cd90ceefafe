import { spawn } from 'node:child_process';
import { isAlive } from '../data-dir.ts';

/** Sends a signal; false where the process has just ended. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Lets processes stand still until `resume`, or until this process is gone: who stands still does not see that its supervisor is, and would stand there for ever, with the locks it
 * holds. A shell sees to it that waits for the end of a pipe of ours. Whoever was ended meanwhile and started again is another process, which runs.
 */
export function pauseProcesses(pids: readonly number[]): { resume(): void } {
  const guard = spawn('sh', ['-c', 'cat >/dev/null; kill -CONT "$@"', 'guard', ...pids.map(String)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.on('error', () => undefined);
  guard.stdin?.on('error', () => undefined);
  guard.unref();
  const struck = pids.filter((pid) => signalProcess(pid, 'SIGSTOP'));
  return {
    resume() {
      for (const pid of struck) if (isAlive(pid)) signalProcess(pid, 'SIGCONT');
      guard.kill('SIGKILL');
    },
  };
}
