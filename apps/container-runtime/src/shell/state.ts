import type { Command } from './ast.ts';

export interface Variable {
  readonly value: string;
  readonly exported: boolean;
  readonly readOnly: boolean;
}

/** Thrown when a script assigns to a read-only variable, or an expansion fails; ends a script that is not interactive. */
export class ShellError extends Error {}

export interface Job {
  readonly pid: number;
  readonly exited: Promise<number>;
  readonly text: string;
  code?: number;
}

/** Everything a subshell inherits by copy. */
export class ShellState {
  variables = new Map<string, Variable>();
  functions = new Map<string, Command>();
  positional: readonly string[] = [];
  name = 'sh';
  options = new Set<string>();
  traps = new Map<string, string>();
  status = 0;
  shellPid = 1;
  lastBackground: number | undefined;
  jobs: Job[] = [];
  /** One map for each running function: what `local` hid. */
  locals: Map<string, Variable | undefined>[] = [];
  interactive = false;

  get(name: string): string | undefined {
    return this.variables.get(name)?.value;
  }

  set(name: string, value: string, change: { exported?: boolean; readOnly?: boolean } = {}): void {
    const old = this.variables.get(name);
    if (old?.readOnly) throw new ShellError(`${name}: is read only`);
    this.variables.set(name, {
      value,
      exported: change.exported ?? old?.exported ?? this.options.has('a'),
      readOnly: change.readOnly ?? old?.readOnly ?? false,
    });
  }

  unset(name: string): void {
    if (this.variables.get(name)?.readOnly) throw new ShellError(`${name}: is read only`);
    this.variables.delete(name);
  }

  /** Hides the variable until the function returns. */
  makeLocal(name: string): void {
    const frame = this.locals.at(-1);
    if (frame && !frame.has(name)) frame.set(name, this.variables.get(name));
  }

  leaveFunction(): void {
    for (const [name, old] of this.locals.pop() ?? []) {
      if (old) this.variables.set(name, old);
      else this.variables.delete(name);
    }
  }

  exported(): Map<string, string> {
    const out = new Map<string, string>();
    for (const [name, { value, exported }] of this.variables) if (exported) out.set(name, value);
    return out;
  }

  /** What a subshell starts with: traps are reset, jobs belong to the parent. */
  clone(): ShellState {
    const copy = new ShellState();
    Object.assign(copy, this);
    copy.variables = new Map(this.variables);
    copy.functions = new Map(this.functions);
    copy.options = new Set(this.options);
    copy.traps = new Map([...this.traps].filter(([, action]) => action === ''));
    copy.jobs = [];
    copy.locals = this.locals.map((frame) => new Map(frame));
    copy.interactive = false;
    return copy;
  }
}
