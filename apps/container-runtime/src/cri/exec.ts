import type { ExecSyncResponse } from '@orrery/proto/cri';
import { Code, RpcError } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { collector, nullFile } from '../process/open-file.ts';
import { ExecError } from '../process/process-table.ts';
import { signals } from '../process/signals.ts';
import { type Container, execFailure } from './container.ts';

/** As the kubelet's limit on what a probe or hook may print. */
const outputLimitBytes = 16 * 1024 * 1024;

/** The error of an exec whose command cannot be run, in containerd's words. */
export function execError(container: Container, command: string, error: ExecError): RpcError {
  return new RpcError(
    Code.UNKNOWN,
    `failed to exec in container: failed to start exec "${container.id.slice(0, 12)}": OCI runtime exec failed: exec failed: unable to start container process: ${execFailure(command, error)}`,
  );
}

/** Runs a command to its end and collects what it prints. `timeoutMs` 0: no limit. */
export async function execSync(container: Container, options: { argv: readonly string[]; timeoutMs: number; clock: Clock; signal: AbortSignal }): Promise<ExecSyncResponse> {
  const { argv, timeoutMs, clock, signal } = options;
  if (!argv.length) throw new RpcError(Code.INVALID_ARGUMENT, 'command is empty');
  const stdout = collector(outputLimitBytes);
  const stderr = collector(outputLimitBytes);
  let process: ReturnType<Container['exec']>;
  try {
    process = container.exec(argv, new Map([[0, nullFile()], [1, stdout.file], [2, stderr.file]]));
  } catch (error) {
    if (error instanceof ExecError) throw execError(container, argv[0] ?? '', error);
    throw error;
  }
  let timedOut = false;
  const timer = timeoutMs > 0 ? clock.after(timeoutMs, () => ((timedOut = true), process.deliver(signals.KILL))) : undefined;
  const kill = (): void => process.deliver(signals.KILL);
  signal.addEventListener('abort', kill, { once: true });
  const exitCode = await process.exited;
  timer?.cancel();
  signal.removeEventListener('abort', kill);
  if (timedOut) throw new RpcError(Code.DEADLINE_EXCEEDED, `failed to exec in container: timeout ${timeoutMs / 1000}s exceeded: context deadline exceeded`);
  return { stdout: stdout.bytes(), stderr: stderr.bytes(), exitCode };
}
