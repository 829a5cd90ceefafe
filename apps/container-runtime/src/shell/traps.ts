import { parseSignal, signalName } from '../process/signals.ts';
import type { Interpreter } from './interpreter.ts';
import { ExitJump } from './jumps.ts';
import { parseScript } from './parser.ts';

/** Traps of one shell: signals are noted when they come and handled between commands; `wait` is woken by them. */
export class Traps {
  private readonly interpreter: Interpreter;
  private readonly queue: number[] = [];
  private wakers: ((signal: number) => void)[] = [];
  private running = false;

  constructor(interpreter: Interpreter) {
    this.interpreter = interpreter;
  }

  get pending(): boolean {
    return this.queue.length > 0 && !this.running;
  }

  /** `action` '' ignores, '-' restores. False when there is no such signal. */
  set(condition: string, action: string): boolean {
    const { state, proc } = this.interpreter;
    const signal = condition === 'EXIT' || condition === '0' ? 0 : parseSignal(condition);
    if (signal === undefined) return false;
    const name = signal === 0 ? 'EXIT' : signalName(signal);
    if (action === '-') state.traps.delete(name);
    else state.traps.set(name, action);
    if (signal === 0) return true;
    if (action === '-') proc.onSignal(signal, undefined);
    else if (action === '') proc.onSignal(signal, 'ignore');
    else {
      proc.onSignal(signal, () => {
        this.queue.push(signal);
        for (const wake of this.wakers.splice(0)) wake(signal);
      });
    }
    return true;
  }

  /** Resolves with the number of the next trapped signal. */
  next(): { signal: Promise<number>; stop(): void } {
    let waker: (signal: number) => void = () => undefined;
    const signal = new Promise<number>((resolve) => {
      waker = resolve;
      this.wakers.push(waker);
    });
    return { signal, stop: () => void (this.wakers = this.wakers.filter((other) => other !== waker)) };
  }

  /** Runs the actions of the signals that came. */
  async run(): Promise<void> {
    const { state } = this.interpreter;
    if (this.running) return;
    this.running = true;
    try {
      for (let signal = this.queue.shift(); signal !== undefined; signal = this.queue.shift()) {
        const action = state.traps.get(signalName(signal));
        const before = state.status;
        if (action) await this.interpreter.list(parseScript(action));
        state.status = before;
      }
    } finally {
      this.running = false;
    }
  }

  /** Runs the EXIT trap; the final exit code. */
  async atExit(status: number): Promise<number> {
    const { state } = this.interpreter;
    const action = state.traps.get('EXIT');
    if (!action) return status;
    state.traps.delete('EXIT');
    state.status = status;
    try {
      await this.interpreter.list(parseScript(action));
      return status;
    } catch (error) {
      if (error instanceof ExitJump) return error.code;
      throw error;
    }
  }
}
