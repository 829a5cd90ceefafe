import { Code, RpcError, toRpcError } from './rpc-error.ts';
import type { CallContext, CallOptions, Channel, MethodDefinition, Peer, ServedService, ServiceDefinition } from './service.ts';

const localPeer: Peer = { address: 'in-memory' };

function contextOf(options: CallOptions, peer: Peer): { context: CallContext; abort: (reason: Error) => void } {
  const controller = new AbortController();
  const forward = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted) forward();
  else options.signal?.addEventListener('abort', forward, { once: true });
  return { context: { signal: controller.signal, metadata: options.metadata ?? {}, peer }, abort: (reason) => controller.abort(reason) };
}

/** Of a call that nobody can abort: the signal is only made for a handler that asks for it. */
class PlainContext implements CallContext {
  readonly metadata: CallContext['metadata'];
  readonly peer: Peer;
  private made: AbortSignal | undefined;

  constructor(options: CallOptions, peer: Peer) {
    this.metadata = options.metadata ?? {};
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

async function* stream(source: AsyncIterable<unknown>, call: ReturnType<typeof contextOf>): AsyncIterable<unknown> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await untilAborted(iterator.next(), call.context.signal);
      if (next.done) return;
      yield next.value;
    }
  } catch (error) {
    throw toRpcError(error);
  } finally {
    call.abort(cancelled());
    iterator.return?.(undefined)?.catch(() => undefined);
  }
}

type Handler = (input: unknown, context: CallContext) => unknown;

async function plainCall(handler: Handler, input: unknown, context: CallContext): Promise<unknown> {
  try {
    return await handler(input, context);
  } catch (error) {
    throw toRpcError(error);
  }
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
      const fail = (error: RpcError): unknown => {
        if (!method.responseStream) return Promise.reject(error);
        return stream({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }, contextOf({}, peer));
      };
      if (closed) return fail(new RpcError(Code.UNAVAILABLE, 'channel closed'));
      if (!handler) return fail(new RpcError(Code.UNIMPLEMENTED, `unknown method ${method.name} for service ${definition.fullName}`));
      if (!options.signal && !method.responseStream) return plainCall(handler, input, new PlainContext(options, peer));
      const call = contextOf(options, peer);
      if (method.responseStream) return stream(handler(input, call.context) as AsyncIterable<unknown>, call);
      const result = new Promise((resolve) => resolve(handler(input, call.context)));
      return untilAborted(result, call.context.signal).catch((error: unknown) => Promise.reject(toRpcError(error)));
    },
    close() {
      closed = true;
    },
  };
}
