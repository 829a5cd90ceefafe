import type { ProcessInfo } from './proc.ts';
import type { ProcessTable } from './process-table.ts';

/** The process numbers that the containers of a pod share (`shareProcessNamespace`): number 1 is the pod's own, which does nothing. */
export class PidSpace {
  private readonly tables = new Set<ProcessTable>();
  private readonly pause: ProcessInfo;
  private next = 2;

  constructor(options: { startedAtMs: number }) {
    this.pause = { pid: 1, ppid: 0, uid: 65_535, argv: ['/pause'], startedAtMs: options.startedAtMs };
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
    return [this.pause, ...[...this.tables].flatMap((table) => table.own()).sort((a, b) => a.pid - b.pid)];
  }

  /** Sends a signal to a process of any container; pid -1 reaches all of them, and 1 ignores it. False when there is no such process. */
  signal(pid: number, signal: number): boolean {
    if (pid === 1) return true;
    let found = false;
    for (const table of [...this.tables]) found = table.signalOwn(pid, signal) || found;
    return found;
  }
}
