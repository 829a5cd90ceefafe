import { type Conn, type Listener, type UdpSocket, NetError } from '@orrery/vnet';
import { FsError } from '../fs/fs-error.ts';
import { type Cred, type Vfs, resolvePath } from '../fs/vfs.ts';
import { BrokenPipe, type OpenFile } from './open-file.ts';
import { type ChildProcess, type Host, type Proc, type ProcNet, type ProcessInfo, ProcessEnded, type Program, type SpawnOptions } from './proc.ts';
import type { Environment, ProcessTable } from './process-table.ts';
import { endsByDefault, signals } from './signals.ts';

const readSize = 64 * 1024;

/** One process of a container. Everything that is not always needed is made on first use: an idle one stays small. */
export class Process implements Proc {
  readonly pid: number;
  readonly ppid: number;
  argv: readonly string[];
  readonly startedAtMs: number;
  readonly cred: Cred;
  umask: number;
  readonly fds: Map<number, OpenFile>;
  cwd: string;
  private readonly table: ProcessTable;
  private envMap: Map<string, string> | undefined;
  private inheritedEnv: Environment;
  private exitPromise: Promise<number> | undefined;
  private resolveExit: ((code: number) => void) | undefined;
  private exitCode: number | undefined;
  private controller: AbortController | undefined;
  private handlers: Map<number, (() => void) | 'ignore'> | undefined;
  private exitHooks: Set<() => void> | undefined;
  /** Where it has a root of its own. */
  readonly root: Vfs | undefined;
  private ownFs: Vfs | undefined;
  private ownNet: ProcNet | undefined;
  /** Counts exec calls: only the outcome of the last program counts. */
  private generation = 0;

  constructor(options: { table: ProcessTable; pid: number; ppid: number; argv: readonly string[]; env: Environment; cwd: string; cred: Cred; umask: number; fds: ReadonlyMap<number, OpenFile>; root?: Vfs | undefined }) {
    this.root = options.root;
    this.table = options.table;
    this.pid = options.pid;
    this.ppid = options.ppid;
    this.argv = options.argv;
    this.inheritedEnv = options.env;
    this.cwd = options.cwd;
    this.cred = options.cred;
    this.umask = options.umask;
    this.fds = new Map();
    options.fds.forEach((file, fd) => {
      this.fds.set(fd, file);
      file.retain();
    });
    this.startedAtMs = this.table.host.clock.now();
  }

  /** Resolves with the exit code. */
  get exited(): Promise<number> {
    this.exitPromise ??= new Promise((resolve) => {
      if (this.exitCode === undefined) this.resolveExit = resolve;
      else resolve(this.exitCode);
    });
    return this.exitPromise;
  }

  get env(): Map<string, string> {
    return (this.envMap ??= new Map(typeof this.inheritedEnv === 'function' ? this.inheritedEnv() : this.inheritedEnv));
  }

  get host(): Host {
    return this.table.host;
  }

  get clock(): Host['clock'] {
    return this.table.host.clock;
  }

  get random(): Host['random'] {
    return this.table.host.random;
  }

  get fs(): Vfs {
    return (this.ownFs ??= (this.root ?? this.table.fs()).as(this.cred));
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.exitCode !== undefined) this.controller.abort(new ProcessEnded());
    }
    return this.controller.signal;
  }

  get running(): boolean {
    return this.exitCode === undefined;
  }

  get code(): number | undefined {
    return this.exitCode;
  }

  get net(): ProcNet {
    return (this.ownNet ??= this.createNet());
  }

  /** Runs the program; its outcome becomes the exit code. */
  run(program: Program): void {
    const generation = ++this.generation;
    const done = (code: number): void => {
      if (generation === this.generation) this.end(code);
    };
    const failed = (error: unknown): void => {
      if (generation !== this.generation) return;
      if (error instanceof BrokenPipe || (error as { code?: unknown }).code === 'EPIPE') this.end(128 + signals.PIPE);
      else if (error instanceof FsError || error instanceof NetError) {
        const name = this.argv[0]?.split('/').at(-1) ?? '?';
        const where = error instanceof FsError && error.path ? `${error.path}: ` : '';
        void this.err(`${name}: ${where}${error.message}\n`).then(() => this.end(1), () => this.end(1));
      } else if (!(error instanceof ProcessEnded)) {
        this.table.onCrash(this, error);
        this.end(128 + signals.SEGV);
      }
    };
    try {
      const outcome = program(this);
      if (typeof outcome === 'number') done(outcome);
      else outcome.then(done, failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Ends the process now; what it waits for is rejected. */
  end(code: number): void {
    if (this.exitCode !== undefined) return;
    this.exitCode = code & 255;
    const hooks = this.exitHooks;
    this.exitHooks = undefined;
    for (const hook of hooks ?? []) hook();
    this.controller?.abort(new ProcessEnded());
    for (const file of this.fds.values()) file.release();
    this.fds.clear();
    this.resolveExit?.(this.exitCode);
    this.table.ended(this);
  }

  /** Delivers a signal: its handler, or its default. KILL always ends the process. */
  deliver(signal: number): void {
    if (this.exitCode !== undefined) return;
    const handler = signal === signals.KILL ? undefined : this.handlers?.get(signal);
    if (handler === 'ignore') return;
    if (handler) handler();
    else if (endsByDefault(signal) && !(this.pid === 1 && signal !== signals.KILL && this.table.initIgnoresSignals)) this.end(128 + signal);
  }

  path(path: string): string {
    return resolvePath(this.cwd, path);
  }

  private fd(number: number): OpenFile {
    const file = this.fds.get(number);
    if (!file) throw new FsError('EBADF');
    return file;
  }

  async read(fd = 0, max = readSize): Promise<Uint8Array | undefined> {
    if (this.exitCode !== undefined) throw new ProcessEnded();
    return this.fd(fd).read(max, this.signal);
  }

  async write(fd: number, bytes: Uint8Array | string): Promise<void> {
    if (this.exitCode !== undefined) throw new ProcessEnded();
    await this.fd(fd).write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, this.signal);
  }

  out(text: string | Uint8Array): Promise<void> {
    return this.write(1, text);
  }

  err(text: string): Promise<void> {
    return this.write(2, text);
  }

  sleep(ms: number): Promise<void> {
    return this.clock.sleep(ms, this.signal);
  }

  until<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(new ProcessEnded());
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  onSignal(signal: number, handler: (() => void) | 'ignore' | undefined): void {
    if (handler) (this.handlers ??= new Map()).set(signal, handler);
    else this.handlers?.delete(signal);
  }

  spawn(options: SpawnOptions): ChildProcess {
    if (this.exitCode !== undefined) throw new ProcessEnded();
    return this.table.spawn(options, this);
  }

  exec(options: SpawnOptions): Promise<never> {
    const { program, argv } = this.table.executable(options, { env: options.env ?? this.env, cwd: this.cwd, cred: this.cred });
    this.argv = argv;
    if (options.env) {
      this.inheritedEnv = options.env;
      this.envMap = undefined;
    }
    this.handlers = undefined;
    this.run(program);
    return new Promise<never>(() => undefined);
  }

  which(command: string): string | 'denied' | undefined {
    return this.table.which(command, this);
  }

  exit(code: number): never {
    this.end(code);
    throw new ProcessEnded();
  }

  onExit(fn: () => void): () => void {
    if (this.exitCode !== undefined) {
      fn();
      return () => undefined;
    }
    (this.exitHooks ??= new Set()).add(fn);
    return () => void this.exitHooks?.delete(fn);
  }

  processes(): readonly ProcessInfo[] {
    // Who has another root has another /proc.
    return (this.root && this.fs.mountOf('/proc').tree.processes?.()) ?? this.table.list();
  }

  kill(pid: number, signal: number): boolean {
    return this.table.signal(pid, signal);
  }

  private createNet(): ProcNet {
    const { table } = this;
    const owned = <T extends { close(): void }>(resource: T): T => {
      const forget = this.onExit(() => resource.close());
      const close = resource.close.bind(resource);
      return { ...resource, close: () => (forget(), close()) };
    };
    const adopt = (conn: Conn): Conn => {
      const forget = this.onExit(() => conn.close());
      const close = conn.close.bind(conn);
      conn.close = (error) => {
        forget();
        close(error);
      };
      return conn;
    };
    return {
      stack: table.stack,
      dial: async (to, options = {}) => {
        const signal = options.signal ? AbortSignal.any([options.signal, this.signal]) : this.signal;
        return adopt(await table.stack.dial(to, { ...options, signal }));
      },
      listen: (at, onConn) => owned<Listener>(table.stack.listen(at, (conn) => onConn(adopt(conn)))),
      udp: (at, onMessage) => owned<UdpSocket>(table.stack.udp(at, onMessage)),
      dialTls: table.options.dialTls,
      servers: table.options.servers,
      lookup: (name) => this.until(table.lookup(name, this)),
    };
  }
}
