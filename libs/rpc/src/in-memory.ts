import { AsyncQueue } from './async-queue.ts';
import { Code, RpcError, toRpcError } from './rpc-error.ts';
import type { CallContext, CallOptions, Channel, MethodDefinition, Peer, ServedService, ServiceDefinition } from './service.ts';

const localPeer: Peer = { address: 'in-memory' };
const noMetadata: CallContext['metadata'] = Object.freeze({});

/** Of a stream: it aborts with the caller's signal, and when the caller reads no further. */
function contextOf(options: CallOptions, peer: Peer): { context: CallContext; abort: (reason: Error) => void } {
  const controller = new AbortController();
  const forward = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted) forward();
  else options.signal?.addEventListener('abort', forward, { once: true });
  return { context: { signal: controller.signal, metadata: options.metadata ?? noMetadata, peer }, abort: (reason) => controller.abort(reason) };
}

/** Of a call that nobody can abort: the signal is only made for a handler that asks for it. */
class PlainContext implements CallContext {
  readonly metadata: CallContext['metadata'];
  readonly peer: Peer;
  private made: AbortSignal | undefined;

  constructor(options: CallOptions, peer: Peer) {
    this.metadata = options.metadata ?? noMetadata;
    this.peer = peer;
  }

  get signal(): AbortSignal {
    return (this.made ??= new AbortController().signal);
  }
}

function cancelled(): RpcError {
  return new RpcError(Code.CANCELLED, 'call cancelled');
}

/** Ends the caller's wait as soon as the call is aborted, whatever the handler does. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    // Nobody waits for it any more, however it ends.
    promise.catch(() => undefined);
    return Promise.reject(cancelled());
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The answers of a stream, which the caller's signal ends whatever the handler does. For one reader, as `for await` is. */
class Answers<T> implements AsyncIterableIterator<T> {
  private readonly source: AsyncIterator<T>;
  private readonly queue: AsyncQueue<T> | undefined;
  private readonly call: ReturnType<typeof contextOf>;
  private readonly onAbort = (): void => this.refuse?.(this.over(cancelled()));
  /** Ends the wait for the next answer. */
  private refuse: ((error: RpcError) => void) | undefined;
  private done = false;

  constructor(source: AsyncIterable<T>, call: ReturnType<typeof contextOf>) {
    this.source = source[Symbol.asyncIterator]();
    this.queue = source instanceof AsyncQueue ? source : undefined;
    this.call = call;
    call.context.signal.addEventListener('abort', this.onAbort, { once: true });
  }

  /** Hands over everything; see `forEachAnswer`. */
  async each(use: (answer: T) => void): Promise<void> {
    const { queue } = this;
    if (!queue || this.done || this.call.context.signal.aborted) {
      for await (const answer of this) use(answer);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.refuse = reject;
      queue.each((answer) => void (this.done || use(answer))).then(
        () => {
          this.end();
          resolve();
        },
        (error: unknown) => reject(this.over(toRpcError(error))),
      );
    });
  }

  next(): Promise<IteratorResult<T>> {
    if (this.done) return Promise.resolve({ done: true, value: undefined });
    if (this.call.context.signal.aborted) return Promise.reject(this.over(cancelled()));
    return new Promise((resolve, reject) => {
      this.refuse = reject;
      this.source.next().then(
        (result) => {
          this.refuse = undefined;
          if (result.done) this.end();
          resolve(result);
        },
        (error: unknown) => reject(this.over(toRpcError(error))),
      );
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this;
  }

  private over(error: RpcError): RpcError {
    this.end();
    return error;
  }

  private end(): void {
    if (this.done) return;
    this.done = true;
    this.call.context.signal.removeEventListener('abort', this.onAbort);
    this.call.abort(cancelled());
    this.source.return?.(undefined)?.catch(() => undefined);
  }
}

/**
 * Reads a stream of answers to its end, or until the call is aborted, for a reader that takes every answer without waiting. In memory what came
 * together is handed over together; else it is `for await`.
 */
export async function forEachAnswer<T>(answers: AsyncIterable<T>, use: (answer: T) => void): Promise<void> {
  if (answers instanceof Answers) return answers.each(use);
  for await (const answer of answers) use(answer);
}

type Handler = (input: unknown, context: CallContext) => unknown;

function rethrow(error: unknown): never {
  throw toRpcError(error);
}

function plainCall(handler: Handler, input: unknown, context: CallContext): Promise<unknown> {
  try {
    return Promise.resolve(handler(input, context)).catch(rethrow);
  } catch (error) {
    return Promise.reject(toRpcError(error));
  }
}

function failed(method: MethodDefinition, error: RpcError): unknown {
  if (!method.responseStream) return Promise.reject(error);
  return new Answers({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }, contextOf({}, localPeer));
}

/**
 * A channel that calls the handlers themselves. Messages pass by reference, so a message must never be changed after
 * it was sent or received. `timeoutMs` is not enforced: there is no network to lose the call.
 */
export function inMemoryChannel(services: readonly ServedService[], peer: Peer = localPeer): Channel {
  const byName = new Map(services.map((s) => [s.definition.fullName, s]));
  const handlers = new Map<MethodDefinition, Handler | undefined>();
  const find = (definition: ServiceDefinition, method: MethodDefinition): Handler | undefined => {
    const key = Object.keys(definition.methods).find((k) => definition.methods[k] === method) ?? '';
    const handler = byName.get(definition.fullName)?.handlers[key] as Handler | undefined;
    handlers.set(method, handler);
    return handler;
  };
  let closed = false;
  return {
    call(definition, method: MethodDefinition, input, options) {
      const handler = handlers.get(method) ?? find(definition, method);
      if (closed) return failed(method, new RpcError(Code.UNAVAILABLE, 'channel closed'));
      if (!handler) return failed(method, new RpcError(Code.UNIMPLEMENTED, `unknown method ${method.name} for service ${definition.fullName}`));
      if (method.responseStream) {
        const call = contextOf(options, peer);
        return new Answers(handler(input, call.context) as AsyncIterable<unknown>, call);
      }
      const { signal } = options;
      if (!signal) return plainCall(handler, input, new PlainContext(options, peer));
      return untilAborted(plainCall(handler, input, { signal, metadata: options.metadata ?? noMetadata, peer }), signal);
    },
    close() {
      closed = true;
    },
  };
}
