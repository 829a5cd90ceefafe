import { spawn } from 'node:child_process';

/** Ends a test's cluster when the test cannot: call `release` when it did. */
export interface Guard {
  release(): void;
}

/**
 * A shell that waits for the end of a pipe of this process. Should that end, however it does, with the guard not released, the shell runs
 * `commands` (their words as `$1`, `$2` …) and is gone.
 */
export function guard(commands: string, ...words: readonly string[]): Guard {
  const shell = spawn('sh', ['-c', `read -r line; [ "$line" = released ] && exit; ${commands}`, 'guard', ...words], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  shell.unref();
  (shell.stdin as unknown as { unref?: () => void }).unref?.();
  return { release: () => void shell.stdin.end('released\n') };
}
