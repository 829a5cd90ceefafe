import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Outcome, Task } from './tasks.ts';

/** A load process; one task at a time. */
export class Worker {
  private readonly process: ChildProcess;

  constructor(kubeconfig: string) {
    this.process = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [kubeconfig], { execArgv: [] });
  }

  run(task: Task): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const died = (code: number | null): void => reject(new Error(`a load process ended with ${code}`));
      this.process.once('exit', died);
      this.process.once('message', (message: { outcome?: Outcome; error?: string }) => {
        this.process.off('exit', died);
        if (message.outcome) resolve(message.outcome);
        else reject(new Error(message.error));
      });
      this.process.send(task);
    });
  }

  stop(): void {
    this.process.disconnect();
  }
}
