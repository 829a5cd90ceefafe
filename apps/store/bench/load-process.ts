import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Order, Result } from './loads.ts';

/** Runs orders one after the other in a process of its own, so that they share no event loop with what they measure. */
export class LoadProcess {
  private readonly child: ChildProcess;

  constructor() {
    this.child = fork(join(import.meta.dirname, 'load-worker.ts'), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  run(order: Order): Promise<Result> {
    const { child } = this;
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the load generator ended'));
      child.once('exit', ended);
      child.once('message', (answer: { result?: Result; error?: string }) => {
        child.off('exit', ended);
        if (answer.result) resolve(answer.result);
        else reject(new Error(answer.error ?? 'no result'));
      });
      child.send(order);
    });
  }

  close(): void {
    this.child.disconnect();
  }
}
