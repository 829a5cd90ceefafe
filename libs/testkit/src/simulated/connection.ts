import type { ApiClient, WatchHandle, WatchOptions, WatchSink } from '@orrery/client';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { serviceUnavailable } from '@orrery/errors';

/** One process's connection to the API server, whichever that is now. */
export interface Connection {
  readonly api: ApiClient;
  /** The process is dead: no call of it has an effect or an end any more. */
  cut(): void;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** The calls that give one answer. */
const calls = ['get', 'list', 'create', 'createSubresource', 'update', 'patch', 'delete', 'deleteCollection'] as const;

/** `server` gives the client of the API server that runs; undefined while none does. */
export function connection(server: () => ApiClient | undefined): Connection {
  let dead = false;
  const call = async (name: (typeof calls)[number], args: unknown[]): Promise<unknown> => {
    if (dead) return never();
    const client = server();
    if (!client) throw serviceUnavailable('the API server cannot be reached');
    const answer = (client[name] as (...args: unknown[]) => Promise<unknown>)(...args);
    try {
      const value = await answer;
      return dead ? await never() : value;
    } catch (error) {
      if (dead) return never();
      // A server that went away meanwhile answers nothing.
      throw server() === client ? error : serviceUnavailable('the connection to the API server was lost');
    }
  };
  const api = {
    ...Object.fromEntries(calls.map((name) => [name, (...args: unknown[]) => call(name, args)])),
    watch<T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, sink: WatchSink<T>): WatchHandle {
      const client = dead ? undefined : server();
      if (!client) {
        if (!dead) queueMicrotask(() => !dead && sink.closed(serviceUnavailable('the API server cannot be reached')));
        return { stop: () => undefined };
      }
      return client.watch(resource, options, {
        events: (batch) => !dead && sink.events(batch),
        closed: (error) => !dead && sink.closed(error),
      });
    },
    close: async () => undefined,
  } as unknown as ApiClient;
  return { api, cut: () => void (dead = true) };
}
