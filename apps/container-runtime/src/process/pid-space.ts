import type { ProcessInfo } from './proc.ts';
import type { ProcessTable } from './process-table.ts';
import type { Process } from './process.ts';

/** Process numbers that several containers share. */
export interface PidSpace {
  /** The number of a new process. */
  take(): number;
  join(table: ProcessTable): void;
  leave(table: ProcessTable): void;
  /** By number. */
  list(): readonly ProcessInfo[];
  /** Sends a signal to a process of any container; pid -1 reaches all of them, and 1 ignores it. False when there is no such process. */
  signal(pid: number, signal: number): boolean;
}

const byNumber = (a: ProcessInfo, b: ProcessInfo): number => a.pid - b.pid;

/** The process numbers that the containers of a pod share (`shareProcessNamespace`): number 1 is the pod's own, which does nothing. */
export class PodPids implements PidSpace {
  private readonly tables = new Set<ProcessTable>();
  private readonly pause: ProcessInfo;
  private next = 2;

  constructor(options: { startedAtMs: number }) {
    this.pause = { pid: 1, ppid: 0, uid: 65_535, gid: 65_535, groups: [], argv: ['/pause'], startedAtMs: options.startedAtMs };
  }

  take(): number {
    return this.next++;
  }

  join(table: ProcessTable): void {
    this.tables.add(table);
  }

  leave(table: ProcessTable): void {
    this.tables.delete(table);
  }

  list(): readonly ProcessInfo[] {
    const [first] = this.tables;
    return [{ ...this.pause, host: first?.host }, ...[...this.tables].flatMap((table) => table.own()).sort(byNumber)];
  }

  signal(pid: number, signal: number): boolean {
    if (pid === 1) return true;
    let found = false;
    for (const table of [...this.tables]) found = table.signalOwn(pid, signal) || found;
    return found;
  }
}

/** The process numbers of another container, which one for debugging takes part in (`kubectl debug --target`). */
export class TargetPids implements PidSpace {
  private readonly tables = new Set<ProcessTable>();
  private readonly target: ProcessTable;

  constructor(target: ProcessTable) {
    this.target = target;
  }

  take(): number {
    return this.target.take();
  }

  join(table: ProcessTable): void {
    this.tables.add(table);
  }

  leave(table: ProcessTable): void {
    this.tables.delete(table);
  }

  list(): readonly ProcessInfo[] {
    return [...this.target.own(), ...[...this.tables].flatMap((table) => table.own())].sort(byNumber);
  }

  signal(pid: number, signal: number): boolean {
    let found = false;
    for (const table of [this.target, ...this.tables]) found = table.signalOwn(pid, signal) || found;
    return found;
  }
}

/** What runs on a node beside containers. */
const services: readonly (readonly string[])[] = [['/sbin/init'], ['/usr/bin/container-runtime'], ['/usr/bin/kubelet'], ['/usr/bin/kube-proxy']];
const firstOfContainers = 1000;

/** All processes of a node, for pods that share its numbers (`hostPID`). Those of other containers have a number here besides their own; they get it when somebody looks. */
export class NodePids implements PidSpace {
  private readonly joined = new Set<ProcessTable>();
  private readonly numbers = new WeakMap<Process, number>();
  private readonly machine: readonly ProcessInfo[];
  private readonly tables: () => Iterable<ProcessTable>;
  private next = firstOfContainers;

  constructor(options: { startedAtMs: number; tables: () => Iterable<ProcessTable> }) {
    this.tables = options.tables;
    this.machine = services.map((argv, i) => ({ pid: i === 0 ? 1 : 100 + i, ppid: i === 0 ? 0 : 1, uid: 0, gid: 0, groups: [], argv, startedAtMs: options.startedAtMs }));
  }

  take(): number {
    return this.next++;
  }

  join(table: ProcessTable): void {
    this.joined.add(table);
  }

  leave(table: ProcessTable): void {
    this.joined.delete(table);
  }

  list(): readonly ProcessInfo[] {
    const found = [...this.all()].map(({ process, pid, table }): ProcessInfo => {
      const parent = table.find(process.ppid);
      const { argv, startedAtMs, cred } = process;
      return { pid, ppid: parent ? this.numberOf(parent, table) : 1, argv, startedAtMs, uid: cred.uid, gid: cred.gid, groups: cred.groups, host: table.host };
    });
    return [...this.machine, ...found.sort(byNumber)];
  }

  /** Whether it is the number of a process of the node itself. */
  isOwn(pid: number): boolean {
    return this.machine.some((one) => one.pid === pid);
  }

  /** A process of a container by the node's number. */
  find(pid: number): Process | undefined {
    for (const one of this.all()) if (one.pid === pid) return one.process;
    return undefined;
  }

  signal(pid: number, signal: number): boolean {
    if (this.isOwn(pid)) return true;
    const reached = [...this.all()].filter((one) => pid === -1 || one.pid === pid);
    if (signal !== 0) for (const { process } of reached) process.deliver(signal);
    return reached.length > 0;
  }

  private numberOf(process: Process, table: ProcessTable): number {
    if (this.joined.has(table)) return process.pid;
    const known = this.numbers.get(process);
    if (known !== undefined) return known;
    const pid = this.take();
    this.numbers.set(process, pid);
    return pid;
  }

  private *all(): Generator<{ process: Process; pid: number; table: ProcessTable }> {
    for (const table of this.tables()) for (const process of table.all()) yield { process, pid: this.numberOf(process, table), table };
  }
}
