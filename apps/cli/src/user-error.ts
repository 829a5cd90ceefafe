/** Exit codes of `orrery`, as `orrery --help` lists them. */
export const ExitCode = { ok: 0, failed: 1, usage: 2, notRunning: 3, alreadyRunning: 4 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A failure whose message tells the user what to do; printed without a stack. */
export class UserError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = ExitCode.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
