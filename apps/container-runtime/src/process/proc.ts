import type { Conn, DialOptions, Endpoint, Listener, NetStack, UdpSocket } from '@orrery/vnet';
import type { Clock, Random } from '@orrery/runtime';
import type { Cred, Vfs } from '../fs/vfs.ts';
import type { Namespaces } from './namespaces.ts';
import type { OpenFile } from './open-file.ts';

/** Ends a program from within whatever it was doing; never caught by programs for good. */
export class ProcessEnded extends Error {
  constructor() {
    super('process ended');
    this.name = 'ProcessEnded';
  }
}

/** A program: runs until it returns its exit code. Everything it waits for through `proc` is rejected when it is killed. */
export type Program = (proc: Proc) => Promise<number> | number;

/** Speaks TLS as a client over a connection. Without `ca` any certificate is accepted. Rejects with NetError. */
export type DialTls = (conn: Conn, target: { readonly host: string; readonly port: number; readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } }) => Promise<Conn>;

/** The outcome of a unary gRPC call: a message, or a status other than 0. */
export type UnaryReply = { readonly message: Uint8Array } | { readonly code: number; readonly text: string };

/** What servers among the programs speak over their connections beyond plain bytes. */
export interface ServerKit {
  /** TLS with a PEM certificate and key. Throws when they are no pair; a failed handshake rejects with NetError. */
  tls(identity: { readonly cert: string; readonly key: string }): (conn: Conn) => Promise<Conn>;
  /** Unary gRPC; `path` is `/package.Service/Method`. */
  unary(conn: Conn, answer: (path: string, message: Uint8Array) => UnaryReply): void;
}

/** The network as a process uses it; what it opens is closed when it ends. */
export interface ProcNet {
  readonly stack: NetStack;
  dial(to: Endpoint, options?: DialOptions): Promise<Conn>;
  listen(at: Endpoint, onConn: (conn: Conn) => void): Listener;
  udp(at: Endpoint, onMessage: (bytes: Uint8Array, from: Endpoint) => void): UdpSocket;
  /** Undefined where the runtime was given no TLS. */
  readonly dialTls: DialTls | undefined;
  /** Undefined where the runtime was given none. */
  readonly servers: ServerKit | undefined;
  /** Addresses of a name: literal, /etc/hosts, then DNS by /etc/resolv.conf. Rejects with ResolveError. */
  lookup(name: string): Promise<string[]>;
}

export interface SpawnOptions {
  readonly argv: readonly string[];
  /** Default: a copy of the parent's. */
  readonly env?: ReadonlyMap<string, string>;
  readonly cwd?: string;
  /** Descriptors the child gets; retained for it. Default: the parent's 0, 1 and 2. */
  readonly fds?: ReadonlyMap<number, OpenFile>;
  /** Runs this instead of looking argv[0] up. */
  readonly program?: Program;
  /** Runs as another user. */
  readonly cred?: Cred;
  /** Sees these files, as do its children. Default: the parent's. */
  readonly root?: Vfs;
}

export interface ChildProcess {
  readonly pid: number;
  /** Exit code; 128 + n when a signal ended it. */
  readonly exited: Promise<number>;
  kill(signal: number): void;
}

export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly argv: readonly string[];
  readonly startedAtMs: number;
  /** What it runs in; absent for processes of the node itself. */
  readonly host?: Pick<Host, 'namespaces'> | undefined;
}

/** Users, or groups, of a user namespace and who they are outside. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly length: number;
}

/** The node that a container runs on, as those see it who may enter it. */
export interface Machine {
  /** What a process sees for its files, by the node's number of it; undefined where there is none. */
  filesOf(pid: number): Vfs | undefined;
}

/** What a program does to CPU and memory, as far as anybody who measures them can tell. */
export interface Load {
  /** A request is served: what one costs, image and annotations say. */
  request(): void;
  /** Spends CPU time, as soon as the limit lets it. */
  work(cpuMs: number): void;
  /** Milliseconds until all that work is done. */
  backlogMs(): number;
  /** Uses so many cores for a while. */
  burn(cores: number, ms: number): void;
  /** Holds so many bytes for a while. */
  hold(bytes: number, ms: number): void;
}

/** What the container knows about itself, for `free`, `top`, /proc and the like. */
export interface Host {
  /** Only for those who are privileged. */
  readonly machine: Machine;
  /** Its processes have the node's numbers. */
  readonly hasNodePids: boolean;
  /** Which namespaces of the kernel it is in, by the numbers that `/proc/self/ns` shows. */
  namespaces(): Namespaces;
  readonly hostname: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly bootTimeMs: number;
  memory(): { limitBytes: number; usedBytes: number };
  readonly cpus: number;
  readonly load: Load;
  /** Its control group's files by name: `cpu.max`, `memory.max` … */
  cgroup(): Readonly<Record<string, string>>;
  /** Set for the container's namespaces, besides the kernel's defaults. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly privileged: boolean;
  /** What root may do here, as bits of the kernel's numbers. */
  readonly capabilities: bigint;
  /** No program gains rights by its setuid bit. */
  readonly noNewPrivs: boolean;
  /** A filter for system calls is in force. */
  readonly seccomp: boolean;
  /** How soon the kernel ends it when memory runs out, -1000 to 1000. */
  readonly oomScoreAdj: number;
  /** Where it has a user namespace of its own. */
  readonly userIds: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] } | undefined;
}

/** A running program's view of the world. */
export interface Proc {
  readonly pid: number;
  readonly ppid: number;
  readonly argv: readonly string[];
  /** The process's own copy. */
  readonly env: Map<string, string>;
  cwd: string;
  readonly cred: Cred;
  /** Bits that new files and directories do not get; inherited by children. */
  umask: number;
  readonly fds: Map<number, OpenFile>;
  readonly fs: Vfs;
  readonly net: ProcNet;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: Host;
  /** Aborts when the process ends, for whatever waits outside `proc`'s own calls. */
  readonly signal: AbortSignal;
  /** Absolute form of a path. */
  path(path: string): string;
  /** Bytes of a descriptor (default 0, 64 KiB); undefined at the end. */
  read(fd?: number, max?: number): Promise<Uint8Array | undefined>;
  write(fd: number, bytes: Uint8Array | string): Promise<void>;
  /** Writes to stdout. */
  out(text: string | Uint8Array): Promise<void>;
  /** Writes to stderr. */
  err(text: string): Promise<void>;
  sleep(ms: number): Promise<void>;
  /** Waits for something outside; rejects when the process ends first. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** A handler replaces the signal's default; 'ignore' drops it; undefined restores the default. */
  onSignal(signal: number, handler: (() => void) | 'ignore' | undefined): void;
  spawn(options: SpawnOptions): ChildProcess;
  /** Replaces this program by another one in the same process (fds stay as they are now). Throws ExecError, or never returns. */
  exec(options: SpawnOptions): Promise<never>;
  /** Looks a command up as execvp does; undefined when there is none. 'denied' when it may not be run. */
  which(command: string): string | 'denied' | undefined;
  /** Ends this process. Never returns. */
  exit(code: number): never;
  /** Runs when the process ends, however it does. Returns what takes it back. */
  onExit(fn: () => void): () => void;
  processes(): readonly ProcessInfo[];
  /** Sends a signal to a process of the container; false when there is none. */
  kill(pid: number, signal: number): boolean;
}
