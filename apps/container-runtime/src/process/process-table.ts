import type { NetStack } from '@orrery/vnet';
import type { Cred, Vfs } from '../fs/vfs.ts';
import { lookupName } from '../net/resolver.ts';
import { type Executable, findExecutable } from './executable.ts';
import type { OpenFile } from './open-file.ts';
import type { PidSpace } from './pid-space.ts';
import type { ChildProcess, DialTls, Host, ProcessInfo, Program, ServerKit, SpawnOptions } from './proc.ts';
import { Process } from './process.ts';
import { signals } from './signals.ts';

/** The container that the processes run in. */
export interface Surroundings {
  readonly host: Host;
  readonly stack: NetStack;
  /** Program by the name that an executable file carries. */
  readonly programs: ReadonlyMap<string, Program>;
  /** Run when a command is not found as a file; the quiet program of images we know nothing about. */
  readonly fallback?: Program | undefined;
  readonly dialTls: DialTls | undefined;
  readonly servers: ServerKit | undefined;
  /** As the kernel: process 1 is only reached by signals it handles, and by KILL. */
  readonly initIgnoresSignals: boolean;
  /** Where the containers of the pod share their process numbers. */
  readonly pids: PidSpace | undefined;
  files(): Vfs;
  onCrash(process: Process, error: unknown): void;
  /** Process 1 ended; everything else was killed. */
  onInitExit(code: number): void;
}

/** The command cannot be run; the code is what a shell reports (126, 127). */
export class ExecError extends Error {
  readonly exitCode: 126 | 127;

  constructor(exitCode: 126 | 127, message: string) {
    super(message);
    this.name = 'ExecError';
    this.exitCode = exitCode;
  }
}

const defaultUmask = 0o022;

/** Variables, or what makes them: most first processes never look at theirs. */
export type Environment = ReadonlyMap<string, string> | (() => ReadonlyMap<string, string>);

/** The processes of one container. */
export class ProcessTable {
  readonly options: Surroundings;
  private readonly processes = new Map<number, Process>();
  private nextPid = 1;
  private initPid: number | undefined;

  constructor(options: Surroundings) {
    this.options = options;
    options.pids?.join(this);
  }

  get host(): Host {
    return this.options.host;
  }

  get stack(): NetStack {
    return this.options.stack;
  }

  get initIgnoresSignals(): boolean {
    return this.options.initIgnoresSignals;
  }

  fs(): Vfs {
    return this.options.files();
  }

  lookup(name: string, process: Process): Promise<string[]> {
    return lookupName(process, name);
  }

  onCrash(process: Process, error: unknown): void {
    this.options.onCrash(process, error);
  }

  /** Starts the first process or one that exec adds. Throws ExecError when the command cannot be run. */
  start(options: Omit<SpawnOptions, 'env'> & { env: Environment; cwd: string; cred: Cred; fds: ReadonlyMap<number, OpenFile> }): Process {
    return this.create(options, { ppid: 0, umask: defaultUmask, ...options });
  }

  spawn(options: SpawnOptions, parent: Process): ChildProcess {
    const inherited = new Map([0, 1, 2].flatMap((fd) => (parent.fds.has(fd) ? [[fd, parent.fds.get(fd) as OpenFile] as const] : [])));
    const child = this.create(options, {
      ppid: parent.pid,
      umask: parent.umask,
      env: options.env ?? parent.env,
      cwd: options.cwd ?? parent.cwd,
      cred: options.cred ?? parent.cred,
      fds: options.fds ?? inherited,
      root: options.root ?? parent.root,
    });
    return { pid: child.pid, exited: child.exited, kill: (signal) => child.deliver(signal) };
  }

  private create(
    spawn: Pick<SpawnOptions, 'argv' | 'program'>,
    context: { ppid: number; env: Environment; cwd: string; cred: Cred; umask: number; fds: ReadonlyMap<number, OpenFile>; root?: Vfs | undefined },
  ): Process {
    const executable = this.executable(spawn, context);
    const { ppid, env, cwd, umask, fds, root } = context;
    const asOwner = this.host.noNewPrivs ? undefined : executable.setuid;
    const cred = asOwner === undefined ? context.cred : { ...context.cred, uid: asOwner };
    const pid = this.options.pids?.take() ?? this.take();
    this.initPid ??= pid;
    const process = new Process({ table: this, pid, ppid, argv: executable.argv, env, cwd, cred, umask, fds, root });
    this.processes.set(process.pid, process);
    process.run(executable.program);
    return process;
  }

  /** What a spawn or exec would run. Throws ExecError. */
  executable(spawn: Pick<SpawnOptions, 'argv' | 'program'>, context: { env: Environment; cwd: string; cred: Cred }): Executable {
    return spawn.program ? { program: spawn.program, argv: spawn.argv } : this.resolve(spawn.argv, context);
  }

  private resolve(argv: readonly string[], context: { env: Environment; cwd: string; cred: Cred }): Executable {
    const { programs, fallback } = this.options;
    const env = typeof context.env === 'function' ? context.env() : context.env;
    const found = findExecutable(argv, { ...context, env, fs: this.fs().as(context.cred), programs });
    if (typeof found !== 'string') return found;
    const name = argv[0] ?? '';
    if (found === 'not found' && fallback) return { program: fallback, argv };
    if (found === 'denied') throw new ExecError(126, 'Permission denied');
    if (found === 'bad format') throw new ExecError(126, 'Exec format error');
    throw new ExecError(127, name.includes('/') ? 'No such file or directory' : 'not found');
  }

  which(command: string, process: Process): string | 'denied' | undefined {
    const found = findExecutable([command], { env: process.env, cwd: process.cwd, fs: process.fs, programs: this.options.programs });
    if (found === 'denied') return 'denied';
    if (found === 'bad format') return process.path(command);
    return typeof found === 'string' ? undefined : found.path;
  }

  ended(process: Process): void {
    this.processes.delete(process.pid);
    if (process.pid !== this.initPid) return;
    this.options.pids?.leave(this);
    for (const other of [...this.processes.values()]) other.end(128 + signals.KILL);
    this.options.onInitExit(process.code ?? 0);
  }

  /** Every process that can be seen from here. */
  list(): readonly ProcessInfo[] {
    return this.options.pids?.list() ?? this.own();
  }

  /** The next number of its own. */
  take(): number {
    return this.nextPid++;
  }

  all(): Iterable<Process> {
    return this.processes.values();
  }

  find(pid: number): Process | undefined {
    return this.processes.get(pid);
  }

  /** Of the process that started last: whoever looks at `/proc/self` is most likely that. */
  newestPid(): number | undefined {
    return [...this.processes.keys()].at(-1);
  }

  own(): readonly ProcessInfo[] {
    return [...this.processes.values()].map(({ pid, ppid, argv, startedAtMs, cred }) => ({ pid, ppid, argv, startedAtMs, uid: cred.uid, gid: cred.gid, groups: cred.groups, host: this.host }));
  }

  get size(): number {
    return this.processes.size;
  }

  /** Sends a signal; pid -1 reaches all but process 1. False when there is no such process. */
  signal(pid: number, signal: number): boolean {
    return this.options.pids?.signal(pid, signal) ?? this.signalOwn(pid, signal);
  }

  /** Signals the container's first process. */
  signalInit(signal: number): void {
    if (this.initPid !== undefined) this.signalOwn(this.initPid, signal);
  }

  signalOwn(pid: number, signal: number): boolean {
    if (pid === -1) {
      for (const process of [...this.processes.values()]) if (process.pid !== 1) process.deliver(signal);
      return true;
    }
    const process = this.processes.get(pid);
    if (signal !== 0) process?.deliver(signal);
    return process !== undefined;
  }

  /** Signals every process whose stdin is `terminal`, as the kernel does for the foreground group. */
  signalTerminal(terminal: OpenFile, signal: number): void {
    for (const process of [...this.processes.values()].reverse()) if (process.fds.get(0) === terminal) process.deliver(signal);
  }
}
