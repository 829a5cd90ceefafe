import type { FaultedRequest } from '@orrery/chaos';
import type { ByteSink, HttpResponse } from '@orrery/node-io/http-server';
import type { Frame } from '../cache/frame.ts';
import { Exchange } from '../http/exchange.ts';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import type { Registry } from '../registry/registry.ts';
import type { WatchSink } from '../registry/watch.ts';

/** A request as faults see it. */
export function faultedRequest({ user, info }: { readonly user: UserInfo; readonly info: RequestInfo }): FaultedRequest {
  const { verb, group, resource, subresource, namespace, name } = info;
  return { user: user.username, verb, group, resource, subresource, namespace, name };
}

const nowhere: ByteSink = { write: () => true, drained: () => Promise.resolve(), end: () => undefined, closed: false };
/** Takes replies that nobody is to hear. */
const untold: HttpResponse = { send: () => undefined, stream: () => nowhere, gzip: (body) => Promise.resolve(Buffer.from(body)) };

/** Serves a REST request as the faults in force let it: `serve` answers on the exchange that it is handed. */
export async function serveFaulted(registry: Registry, request: { readonly exchange: Exchange; readonly user: UserInfo; readonly info: RequestInfo }, serve: (exchange: Exchange) => Promise<void>): Promise<void> {
  const { exchange } = request;
  const runUntold = async (): Promise<void> => {
    const silent = new Exchange(exchange.request, untold, exchange.auditId);
    await serve(silent);
  };
  await registry.faults.around({ request: faultedRequest(request), run: () => serve(exchange), runUntold });
}

/** Runs a call as the faults in force let it; just runs it while there are none. */
export function throughFaults<T>(registry: Registry, scope: { readonly user: UserInfo; readonly info: RequestInfo }, run: () => Promise<T>): Promise<T> {
  return registry.faults.active ? registry.faults.around({ request: faultedRequest(scope), run }) : run();
}

/** Tells a watch later what happened, in order. */
export function delayedSink(registry: Registry, request: FaultedRequest, sink: WatchSink): WatchSink {
  const { faults, env } = registry;
  if (faults.watchDelayMs(request) === 0) return sink;
  let lastAt = 0;
  const later = (act: () => void): void => {
    const now = env.clock.monotonic();
    lastAt = Math.max(lastAt, now + faults.watchDelayMs(request));
    env.clock.after(lastAt - now, act);
  };
  return {
    frames: (batch: readonly Frame[]) => {
      const kept = [...batch];
      later(() => sink.frames(kept));
    },
    closed: (error) => later(() => sink.closed(error)),
  };
}
