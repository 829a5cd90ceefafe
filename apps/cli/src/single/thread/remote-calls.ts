import { ConfigError } from '@orrery/runtime';
import { NetError, type NetErrorCode } from '@orrery/vnet';
import type { MessagePort, Transferable } from 'node:worker_threads';
import { ExitCode, UserError } from '../../user-error.ts';

/** Functions that another thread may call; arguments and results are what can be sent to it. */
export type Calls<C> = { readonly [K in keyof C]: (...args: never[]) => unknown };

/** A result with what changes hands. */
export class Handed<T> {
  readonly value: T;
  readonly transfer: readonly Transferable[];

  constructor(value: T, transfer: readonly Transferable[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

type Result<T> = Awaited<T> extends Handed<infer V> ? V : Awaited<T>;

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** An Error, whose class does not survive the way by itself. */
interface Failure {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly exitCode?: ExitCode | undefined;
  readonly netCode?: NetErrorCode | undefined;
}

type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly failure: Failure };

/** What the user is told without a stack. */
function exitCodeOf(error: unknown): ExitCode | undefined {
  if (error instanceof UserError) return error.exitCode;
  return error instanceof ConfigError ? ExitCode.failed : undefined;
}

function failureOf(error: unknown): Failure {
  const { message, stack } = error as Error;
  return { message: message ?? String(error), stack, exitCode: exitCodeOf(error), netCode: error instanceof NetError ? error.code : undefined };
}

function errorOf({ message, stack, exitCode, netCode }: Failure): Error {
  if (exitCode !== undefined) return new UserError(message, exitCode);
  if (netCode !== undefined) return new NetError(netCode, message);
  return Object.assign(new Error(message), { stack });
}

/** Serves what comes over the port until it is closed. */
export function serveCalls<C extends Calls<C>>(port: MessagePort, calls: C): void {
  port.on('message', ({ id, name, args }: Call) => {
    const run = async (): Promise<unknown> => (calls[name as keyof C] as unknown as (...given: readonly unknown[]) => unknown)(...args);
    run().then(
      (result) => (result instanceof Handed ? port.postMessage({ id, value: result.value }, result.transfer as Transferable[]) : port.postMessage({ id, value: result })),
      (error: unknown) => port.postMessage({ id, failure: failureOf(error) }),
    );
  });
}

/** Calls what `serveCalls` serves on the other end. */
export class RemoteCalls<C extends Calls<C>> {
  private readonly port: MessagePort;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private lastId = 0;
  private ended: Error | undefined;

  constructor(port: MessagePort) {
    this.port = port;
    port.on('message', (reply: Reply) => {
      const { id } = reply;
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if ('failure' in reply) waiting?.reject(errorOf(reply.failure));
      else waiting?.resolve(reply.value as never);
    });
  }

  call<K extends keyof C & string>(name: K, ...args: Parameters<C[K]>): Promise<Result<ReturnType<C[K]>>> {
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.lastId;
    this.port.postMessage({ id, name, args } satisfies Call);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /** Calls without waiting, in order, what cannot fail: if it does, that ends this process as any error that nobody catches. Nothing happens once the other end is gone. */
  tell<K extends keyof C & string>(name: K, ...args: Parameters<C[K]>): void {
    this.call(name, ...args).catch((error: unknown) => {
      if (!this.ended) throw error;
    });
  }

  /** All that is under way, and whatever is called from now on, fails. */
  close(error: Error): void {
    this.ended = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    this.port.close();
  }
}
