import type { Batch } from '@orrery/proto/raft';
import { AsyncQueue, type CallOptions, type Channel, Code, type MethodDefinition, RpcError, type ServiceDefinition, toRpcError } from '@orrery/rpc';
import type { Connection, Host, Network } from './network.ts';

export interface WireOptions {
  readonly network: Network;
  readonly from: Host;
  readonly to: Host;
  /** The services of whatever runs there when a call arrives. */
  readonly services: () => Channel | undefined;
}

const away = (): RpcError => new RpcError(Code.UNAVAILABLE, 'simulated: connection lost');
const late = (): RpcError => new RpcError(Code.DEADLINE_EXCEEDED, 'simulated: deadline exceeded');
const cancelled = (): RpcError => new RpcError(Code.CANCELLED, 'simulated: call cancelled');

/** What the algorithm takes in any order, any number of times: all but proposals, which count as often as they come. */
function isHardy(item: unknown): boolean {
  const { messages } = item as Batch;
  return messages !== undefined && messages.every(({ body }) => body?.$case !== 'propose');
}

/** One call on its way: both halves. */
class Call {
  private readonly options: WireOptions;
  private readonly connection: Connection;
  private readonly answers = new AsyncQueue<unknown>();
  private readonly controller = new AbortController();
  private requests: AsyncQueue<unknown> | undefined;
  private isOver = false;

  constructor(options: WireOptions) {
    this.options = options;
    const { network, from, to } = options;
    this.connection = network.open(from, to);
    this.connection.onBroken.caller = () => this.end(away());
    this.connection.onBroken.callee = () => this.abandon();
  }

  /** The far end learns that nobody waits any more. */
  private abandon(): void {
    this.controller.abort(cancelled());
    this.requests?.end();
  }

  private end(error?: unknown): void {
    this.isOver = true;
    this.answers.end(error);
  }

  private send(direction: 'up' | 'down', item: unknown, deliver: () => void): void {
    const { network } = this.options;
    if (isHardy(item)) network.sendWildly(this.connection, direction, deliver);
    else network.send(this.connection, direction, deliver);
  }

  private signal(direction: 'up' | 'down', deliver: () => void): void {
    this.options.network.send(this.connection, direction, deliver);
  }

  private async sendAll(input: AsyncIterable<unknown>): Promise<void> {
    for await (const item of input) {
      if (this.isOver) return;
      this.send('up', item, () => this.requests?.push(item));
    }
    this.signal('up', () => this.requests?.end());
  }

  start(target: { definition: ServiceDefinition; method: MethodDefinition; input: unknown }, call: CallOptions): void {
    const { method, input } = target;
    this.signal('up', () => this.serve(target, call));
    if (method.requestStream) this.sendAll(input as AsyncIterable<unknown>).catch(() => this.cancel(cancelled()));
    const { timeoutMs, signal } = call;
    const timer = timeoutMs === undefined ? undefined : this.connection.caller.clock.after(timeoutMs, () => this.cancel(late()));
    signal?.addEventListener('abort', () => this.cancel(cancelled()), { once: true });
    if (signal?.aborted) this.cancel(cancelled());
    this.connection.onBroken.caller = () => (timer?.cancel(), this.end(away()));
    this.whenOver = () => timer?.cancel();
  }

  private whenOver: () => void = () => undefined;

  /** The caller gives up; the far end hears of it later. */
  cancel(error: RpcError): void {
    if (this.isOver) return;
    this.whenOver();
    this.end(error);
    this.signal('up', () => {
      this.abandon();
      this.options.network.close(this.connection);
    });
  }

  private serve({ definition, method, input }: { definition: ServiceDefinition; method: MethodDefinition; input: unknown }, { metadata }: CallOptions): void {
    const channel = this.options.services();
    if (!channel) return this.fail(away());
    if (method.requestStream) this.requests = new AsyncQueue<unknown>();
    const result = channel.call(definition, method, this.requests ?? input, { signal: this.controller.signal, ...(metadata ? { metadata } : {}) });
    if (method.responseStream) this.answerAll(result as AsyncIterable<unknown>).catch((error: unknown) => this.fail(error));
    else (result as Promise<unknown>).then((answer) => this.finish(answer), (error: unknown) => this.fail(error));
  }

  private async answerAll(result: AsyncIterable<unknown>): Promise<void> {
    for await (const item of result) this.send('down', item, () => this.answers.push(item));
    this.signal('down', () => this.finished());
  }

  private finish(answer: unknown): void {
    this.signal('down', () => {
      this.answers.push(answer);
      this.finished();
    });
  }

  private fail(error: unknown): void {
    this.signal('down', () => this.finished(toRpcError(error)));
  }

  private finished(error?: unknown): void {
    this.whenOver();
    this.end(error);
    this.options.network.close(this.connection);
  }

  async *stream(): AsyncIterable<unknown> {
    try {
      yield* this.answers;
    } finally {
      this.cancel(cancelled());
    }
  }

  async one(): Promise<unknown> {
    for await (const answer of this.answers) return answer;
    throw away();
  }
}

/** A connection over the simulated network. Unlike the one in memory it keeps deadlines, and loses calls. */
export function wireChannel(options: WireOptions): Channel {
  return {
    call: (definition, method, input, call) => {
      const one = new Call(options);
      one.start({ definition, method, input }, call);
      return method.responseStream ? one.stream() : one.one();
    },
    close: () => undefined,
  };
}
