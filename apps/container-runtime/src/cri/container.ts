import { type Container as CriContainer, type ContainerConfig, ContainerState, type ContainerStatus, type LinuxContainerResources, NamespaceMode, SecurityProfile_ProfileType } from '@orrery/proto/cri';
import type { Clock, Env, Random } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { Code, RpcError } from '@orrery/rpc';
import { NodeTree, directoryBytes } from '../fs/node-tree.ts';
import { cgroupTree, procTree, sysTree } from '../fs/proc-tree.ts';
import { type Cred, MountNamespace, Vfs } from '../fs/vfs.ts';
import { quietProgram } from '../images/unknown.ts';
import { type OpenFile, nullFile } from '../process/open-file.ts';
import { createPipe } from '../process/pipe.ts';
import type { DialTls, Host, Program, ServerKit } from '../process/proc.ts';
import type { Namespaces } from '../process/namespaces.ts';
import { type PidSpace, TargetPids } from '../process/pid-space.ts';
import { ExecError, ProcessTable, type Surroundings } from '../process/process-table.ts';
import type { Process } from '../process/process.ts';
import { parseSignal, signals } from '../process/signals.ts';
import { Tty } from '../process/tty.ts';
import { cgroupFiles } from './cgroup.ts';
import { capabilitiesOf } from './capabilities.ts';
import { containerNamespaces, criSignal, criUser, sandboxFiles } from './container-input.ts';
import { credentials } from './credentials.ts';
import { placeDevices } from './devices.ts';
import { nanoseconds } from './ids.ts';
import { LoadMeter } from './load.ts';
import type { StoredImage } from './image-store.ts';
import { ContainerOutput, type LogSink } from './logs.ts';
import { type ImageMounts, type MountSource, containerMounts, makeMountPoints } from './mounts.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox.ts';
import { type Script, scriptedOutput, scriptedProgram } from './script.ts';

export interface ContainerDeps {
  readonly env: Env;
  readonly logs: LogSink | undefined;
  readonly mounts: MountSource;
  readonly machine: () => Machine;
  readonly imageMounts: ImageMounts;
  readonly nodeMemoryBytes: number;
  readonly nodeCpus: number;
  readonly initIgnoresSignals: boolean;
  readonly dialTls: DialTls | undefined;
  readonly servers: ServerKit | undefined;
  /** Another container of the node. */
  targetOf(id: string): Container | undefined;
  /** A container's state changed. */
  onExit(container: Container): void;
}

/** Cores of a container whose annotations say nothing. */
const idleCores = 0.0005;

/** How long after its start a container that uses more memory than it may is killed. */
const oomAfterMs = 50;

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One container: created, running, exited. What only a running or inspected one needs is made when it is needed. */
export class Container implements Host, Surroundings {
  readonly id: string;
  readonly sandbox: Sandbox;
  readonly config: ContainerConfig;
  readonly stored: StoredImage;
  readonly createdAtMs: number;
  readonly script: Script | undefined;
  private readonly deps: ContainerDeps;
  resources: LinuxContainerResources;
  state: ContainerState = ContainerState.CONTAINER_CREATED;
  startedAtMs = 0;
  finishedAtMs = 0;
  exitCode = 0;
  reason = '';
  message = '';
  output: ContainerOutput | undefined;
  tty: Tty | undefined;
  /** Where attached clients' stdin goes. */
  stdin: OpenFile | undefined;
  table: ProcessTable | undefined;
  /** What its programs have done to the CPU and hold of the memory; absent: nothing. */
  meter: LoadMeter | undefined;
  private vfs: Vfs | undefined;
  /** Its mounts, where they hear of the node's. */
  private namespace: MountNamespace | undefined;
  private layer: NodeTree | undefined;
  private stopping: Promise<void> | undefined;
  private exitWaiters: (() => void)[] = [];
  /** Process numbers that it shares with others. */
  readonly pids: PidSpace | undefined;
  private oomKilled = false;
  /** Whose the first process is, or was. */
  private startedAs: Cred | undefined;

  constructor(options: { id: string; sandbox: Sandbox; config: ContainerConfig; stored: StoredImage; script: Script | undefined; deps: ContainerDeps }) {
    this.id = options.id;
    this.sandbox = options.sandbox;
    this.config = options.config;
    this.stored = options.stored;
    this.script = options.script;
    this.deps = options.deps;
    this.resources = options.config.linux?.resources ?? {};
    this.createdAtMs = options.deps.env.clock.now();
    this.pids = this.processNumbers();
  }

  /** Throws RpcError when it is to share those of a container that does not run. */
  private processNumbers(): PidSpace | undefined {
    const { pid, targetId = '' } = this.config.linux?.securityContext?.namespaceOptions ?? {};
    if (pid !== NamespaceMode.TARGET) return this.sandbox.pids;
    const target = this.deps.targetOf(targetId);
    if (!target?.table) throw new RpcError(Code.UNKNOWN, `invalid target container: container ${JSON.stringify(targetId)} is not running`);
    return target.pids ?? new TargetPids(target.table);
  }

  get running(): boolean {
    return this.state === ContainerState.CONTAINER_RUNNING;
  }

  get logPath(): string {
    const { logDirectory } = this.sandbox.config;
    return logDirectory && this.config.logPath ? `${logDirectory}/${this.config.logPath}` : '';
  }

  get memoryLimit(): number {
    return Number(this.resources.memoryLimitInBytes ?? 0n);
  }

  /** Cores that it may use. */
  get cpuLimit(): number {
    const { cpuQuota = 0n, cpuPeriod = 100_000n } = this.resources;
    return cpuQuota > 0n ? Number(cpuQuota) / Number(cpuPeriod || 100_000n) : this.deps.nodeCpus;
  }

  /** What it uses all the time. The quota throttles what the annotation asks for, as it would a real process. */
  get steadyCores(): number {
    return Math.min(this.script?.cpu ?? idleCores, this.cpuLimit);
  }

  /** What its programs do; made when the first of them does something that counts. */
  get load(): LoadMeter {
    const { cpuPerRequest } = this.script ?? {};
    const requestCpuMs = cpuPerRequest === undefined ? (this.stored.image.requestCpuMs ?? 0) : cpuPerRequest * 1000;
    this.meter ??= new LoadMeter({ clock: this.deps.env.clock, cores: () => this.cpuLimit - this.steadyCores, requestCpuMs, onMemory: () => this.checkMemory() });
    return this.meter;
  }

  /** Working set, bytes. */
  get memoryUsed(): number {
    return this.running ? (this.script?.memory ?? this.stored.image.memoryBytes ?? 4 * 1024 * 1024) + (this.meter?.memoryBytes() ?? 0) : 0;
  }

  private command(): string[] {
    const { command = [], args = [] } = this.config;
    const { entrypoint = [], cmd = [] } = this.stored.image;
    if (command.length) return [...command, ...args];
    return [...entrypoint, ...(args.length ? args : cmd)];
  }

  private environment(): Map<string, string> {
    const { image } = this.stored;
    const env = new Map([['PATH', defaultPath], ['HOSTNAME', this.sandbox.hostname], ...Object.entries(image.env ?? {})]);
    for (const { key, value } of this.config.envs ?? []) if (key) env.set(key, value ?? '');
    if (this.config.tty && !env.has('TERM')) env.set('TERM', 'xterm');
    return env;
  }

  /** What its processes see of the machine. */
  get host(): Host {
    return this;
  }

  get machine(): Machine {
    return this.deps.machine();
  }

  get hasNodePids(): boolean {
    return this.pids !== undefined && this.sandbox.config.linux?.securityContext?.namespaceOptions?.pid === NamespaceMode.NODE;
  }

  namespaces(): Namespaces {
    return containerNamespaces(this);
  }

  get hostname(): string {
    return this.sandbox.hostname;
  }

  get clock(): Clock {
    return this.deps.env.clock;
  }

  get random(): Random {
    return this.deps.env.random;
  }

  get bootTimeMs(): number {
    return this.sandbox.createdAtMs;
  }

  get cpus(): number {
    return this.deps.nodeCpus;
  }

  get sysctls(): Readonly<Record<string, string>> {
    return this.sandbox.config.linux?.sysctls ?? {};
  }

  get privileged(): boolean {
    return this.config.linux?.securityContext?.privileged ?? false;
  }

  get capabilities(): bigint {
    return capabilitiesOf(this.config.linux?.securityContext ?? {});
  }

  get noNewPrivs(): boolean {
    return this.config.linux?.securityContext?.noNewPrivs ?? false;
  }

  get seccomp(): boolean {
    const { profileType } = this.config.linux?.securityContext?.seccomp ?? {};
    return profileType === SecurityProfile_ProfileType.RuntimeDefault || profileType === SecurityProfile_ProfileType.Localhost;
  }

  get oomScoreAdj(): number {
    return Number(this.resources.oomScoreAdj ?? 0n);
  }

  get userIds(): Host['userIds'] {
    const { mode, uids = [], gids = [] } = this.config.linux?.securityContext?.namespaceOptions?.usernsOptions ?? {};
    if (mode !== NamespaceMode.POD || uids.length === 0) return undefined;
    const ranges = (mappings: typeof uids) => mappings.map(({ hostId = 0, containerId = 0, length = 0 }) => ({ inside: containerId, outside: hostId, length }));
    return { uids: ranges(uids), gids: ranges(gids) };
  }

  memory(): { limitBytes: number; usedBytes: number } {
    return { limitBytes: this.memoryLimit || this.deps.nodeMemoryBytes, usedBytes: this.memoryUsed };
  }

  cgroup(): Readonly<Record<string, string>> {
    return cgroupFiles(this.resources, this.memoryUsed);
  }

  get stack(): NetStack {
    return this.sandbox.stack;
  }

  get programs(): ReadonlyMap<string, Program> {
    return this.stored.image.programTable;
  }

  get fallback(): Program | undefined {
    return this.stored.image.lenient ? quietProgram : undefined;
  }

  get dialTls(): DialTls | undefined {
    return this.deps.dialTls;
  }

  get servers(): ServerKit | undefined {
    return this.deps.servers;
  }

  get initIgnoresSignals(): boolean {
    return this.deps.initIgnoresSignals;
  }

  onCrash(process: Process, error: unknown): void {
    this.deps.env.log.error('emulated program crashed', { container: this.id, argv: process.argv.join(' '), error });
  }

  /** What its writable layer takes; the layer of one that nobody has looked at is an empty directory. */
  get writable(): { bytes: number; inodes: number } {
    return this.layer?.written() ?? { bytes: directoryBytes, inodes: 1 };
  }

  /** The file system; made at the first look. */
  files(): Vfs {
    return (this.vfs ??= this.mountAll());
  }

  private mountAll(): Vfs {
    const { env: { clock }, mounts: source, imageMounts: images } = this.deps;
    const { machine } = this;
    const root = new NodeTree({ root: this.stored.image.root(), now: () => clock.now() });
    this.layer = root;
    const mounts = containerMounts({
      root,
      rootReadOnly: this.config.linux?.securityContext?.readonlyRootfs ?? false,
      proc: procTree({ host: this, self: () => this.table?.newestPid() ?? 1, processes: () => this.table?.list() ?? [], mounts: () => namespace.mounts }),
      sys: sysTree(this),
      cgroup: cgroupTree(this),
      files: { hostname: this.sandbox.hostname, ...sandboxFiles(this.sandbox) },
      config: this.config,
      bind: (path) => machine.bind(path),
      images,
      clock,
    });
    makeMountPoints(mounts);
    placeDevices(root, this.config, { source, clock });
    const namespace = new MountNamespace(mounts, machine.peers);
    if (mounts.some(({ node }) => node && node.propagation !== 'private')) {
      machine.peers.join(namespace);
      this.namespace = namespace;
    }
    return new Vfs(namespace);
  }

  /** Sees its volumes as they are now, with what is mounted in them. */
  bindVolumes(): void {
    if (this.running && this.config.mounts?.length) this.files();
  }

  private openStreams(): Map<number, OpenFile> {
    const output = new ContainerOutput({ clock: this.deps.env.clock, sink: this.deps.logs, path: this.logPath, container: this.id });
    this.output = output;
    if (this.config.tty) {
      const tty = new Tty((bytes) => output.write('stdout', bytes));
      tty.onSignal = (signal) => this.table?.signalTerminal(tty.slave, signal);
      this.tty = tty;
      return new Map([0, 1, 2].map((fd) => [fd, tty.slave]));
    }
    const pipe = this.config.stdin ? createPipe() : undefined;
    this.stdin = pipe?.writer;
    return new Map([[0, pipe?.reader ?? nullFile()], [1, output.file('stdout')], [2, output.file('stderr')]]);
  }

  /** Starts the first process. Throws, and is exited with 128, when it cannot be run. */
  start(): void {
    if (this.state !== ContainerState.CONTAINER_CREATED) {
      throw new RpcError(Code.FAILED_PRECONDITION, `failed to start container "${this.id}": container is in ${stateName(this.state)} state`);
    }
    const { env } = this.deps;
    const fds = this.openStreams();
    this.table = new ProcessTable(this);
    this.startedAtMs = env.clock.now();
    this.state = ContainerState.CONTAINER_RUNNING;
    const argv = this.command();
    try {
      if (!argv.length) throw new ExecError(127, 'no command specified');
      this.launch(argv, fds);
    } catch (error) {
      this.startFailed(argv[0] ?? '', error);
    } finally {
      if (!this.tty) for (const file of fds.values()) file.release();
    }
    this.checkMemory();
  }

  private launch(argv: readonly string[], fds: Map<number, OpenFile>): void {
    const { image } = this.stored;
    const program: Program | undefined = scriptedProgram(this.script) ?? this.quietShortcut(argv);
    const cwd = this.config.workingDir || image.workdir || '/';
    if (cwd !== '/' && !program && !this.files().isDirectory(cwd)) this.files().makeDirs(cwd);
    if (this.script?.logLines !== undefined && !program) void this.output?.write('stdout', Buffer.from(scriptedOutput(this.script.logLines)));
    this.startedAs = this.cred();
    this.table?.start({ argv, env: () => this.environment(), cwd, cred: this.startedAs, fds, ...(program ? { program } : {}) });
  }

  /** The image's own quiet entrypoint runs without looking at any file system, so that idle containers stay small. */
  private quietShortcut(argv: readonly string[]): Program | undefined {
    const program = this.config.command?.length ? undefined : this.stored.image.programTable.get(argv[0] ?? '');
    return program === quietProgram ? quietProgram : undefined;
  }

  private cred(): Cred {
    return credentials(this.config.linux?.securityContext, this.stored.image);
  }

  private startFailed(command: string, error: unknown): never {
    const why = error instanceof ExecError ? execFailure(command, error) : (error as Error).message;
    this.reason = 'StartError';
    this.message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ${why}`;
    this.finish(128);
    throw new RpcError(error instanceof ExecError && error.exitCode === 127 ? Code.NOT_FOUND : Code.UNKNOWN, this.message);
  }

  /** Kills the container when it uses more memory than its limit. */
  checkMemory(): void {
    // What an image is said to idle at is a guess, and kills nobody.
    const isTooMuch = (): boolean => this.running && this.memoryLimit > 0 && (this.script?.memory !== undefined || (this.meter?.memoryBytes() ?? 0) > 0) && this.memoryUsed > this.memoryLimit;
    if (!isTooMuch()) return;
    this.deps.env.clock.after(oomAfterMs, () => {
      if (!isTooMuch()) return;
      this.oomKilled = true;
      this.table?.signalInit(signals.KILL);
    });
  }

  /** The first process ended, and with it the others. */
  onInitExit(code: number): void {
    if (!this.running) return;
    this.reason = this.oomKilled ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error';
    this.finish(code);
    this.deps.onExit(this);
  }

  private finish(code: number): void {
    this.output?.flush();
    this.exitCode = code;
    this.finishedAtMs = this.deps.env.clock.now();
    this.state = ContainerState.CONTAINER_EXITED;
    this.table = undefined;
    if (this.namespace) this.machine.peers.leave(this.namespace);
    this.closeStdin();
    for (const wake of this.exitWaiters.splice(0)) wake();
  }

  /** Ends what the container reads, as the end of the only client's input does. */
  closeStdin(): void {
    this.stdin?.release();
    this.stdin = undefined;
  }

  /** Resolves when the container is not running. */
  whenExited(): Promise<void> {
    if (!this.running) return Promise.resolve();
    return new Promise((resolve) => this.exitWaiters.push(resolve));
  }

  /** The signal that asks it to end. */
  private stopSignal(): number {
    const asked = this.config.stopSignal ? criSignal(this.config.stopSignal) : undefined;
    return asked ?? parseSignal(this.stored.image.stopSignal ?? 'TERM') ?? signals.TERM;
  }

  /** Asks it to end, and kills it when it has not within `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    if (!this.running) return;
    if (timeoutMs <= 0) {
      this.table?.signalInit(signals.KILL);
      return;
    }
    if (!this.stopping) this.table?.signalInit(this.stopSignal());
    this.stopping ??= this.whenExited();
    if (!this.running) return;
    const timer = this.deps.env.clock.after(timeoutMs, () => this.table?.signalInit(signals.KILL));
    await this.whenExited();
    timer.cancel();
  }

  /** Starts a further process in the running container. Throws ExecError or NOT_FOUND. */
  exec(argv: readonly string[], fds: ReadonlyMap<number, OpenFile>, extraEnv: ReadonlyMap<string, string> = new Map()): Process {
    if (!this.running || !this.table) throw new RpcError(Code.FAILED_PRECONDITION, `container is in ${stateName(this.state)} state`);
    const cwd = this.config.workingDir || this.stored.image.workdir || '/';
    const env = new Map([...this.environment(), ...extraEnv]);
    return this.table.start({ argv, env, cwd, cred: this.cred(), fds });
  }

  summary(): CriContainer {
    const { metadata, image, labels, annotations } = this.config;
    return {
      id: this.id,
      podSandboxId: this.sandbox.id,
      metadata,
      image,
      imageRef: this.stored.id,
      imageId: this.stored.id,
      state: this.state,
      createdAt: nanoseconds(this.createdAtMs),
      labels: labels ?? {},
      annotations: annotations ?? {},
    };
  }

  status(): ContainerStatus {
    const { metadata, image, labels, annotations, mounts } = this.config;
    const [digest] = this.stored.digests;
    return {
      id: this.id,
      metadata,
      image,
      imageRef: digest ?? this.stored.id,
      imageId: this.stored.id,
      state: this.state,
      createdAt: nanoseconds(this.createdAtMs),
      startedAt: this.startedAtMs ? nanoseconds(this.startedAtMs) : 0n,
      finishedAt: this.finishedAtMs ? nanoseconds(this.finishedAtMs) : 0n,
      exitCode: this.exitCode,
      reason: this.reason,
      message: this.message,
      labels: labels ?? {},
      annotations: annotations ?? {},
      mounts: mounts ?? [],
      logPath: this.logPath,
      resources: { linux: this.resources },
      user: this.startedAs && criUser(this.startedAs),
    };
  }
}

/** How runc says that a command cannot be run. */
export function execFailure(command: string, error: ExecError): string {
  if (error.exitCode === 127) {
    return command.includes('/') ? `exec: ${JSON.stringify(command)}: stat ${command}: no such file or directory` : `exec: ${JSON.stringify(command)}: executable file not found in $PATH`;
  }
  return `exec: ${JSON.stringify(command)}: ${error.message.toLowerCase()}`;
}

export function stateName(state: ContainerState): string {
  return Object.entries(ContainerState).find(([, value]) => value === state)?.[0] ?? 'CONTAINER_UNKNOWN';
}
