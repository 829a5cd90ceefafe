import type { ApiClient, WatchHandle, WatchOptions, WatchSink } from '@orrery/client';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { serviceUnavailable } from '@orrery/errors';

/** One process's connection to the API server, whichever that is now. */
export interface Connection {
  readonly api: ApiClient;
  /** The process is dead: no call of it has an effect or an end any more. */
  cut(): void;
  isCut(): boolean;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** The calls that give one answer. */
const calls = ['get', 'list', 'create', 'createSubresource', 'update', 'patch', 'delete', 'deleteCollection'] as const;

/** Who is to be told when the API server is gone, with all connections to it. */
export type Bystanders = Set<() => void>;

/** `server` gives the client of the API server that runs; undefined while none does. Whoever ends that server calls all `bystanders`. */
export function connection(server: () => ApiClient | undefined, bystanders: Bystanders): Connection {
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
      let isOver = false;
      const over = (): boolean => {
        const was = isOver;
        isOver = true;
        bystanders.delete(lost);
        return dead || was;
      };
      const lost = (): void => {
        if (!over()) queueMicrotask(() => !dead && sink.closed(serviceUnavailable('the connection to the API server was lost')));
      };
      bystanders.add(lost);
      const handle = client.watch(resource, options, {
        events: (batch) => !dead && !isOver && sink.events(batch),
        closed: (error) => !over() && sink.closed(error),
      });
      return {
        stop() {
          over();
          handle.stop();
        },
      };
    },
    close: async () => undefined,
  } as unknown as ApiClient;
  return { api, cut: () => void (dead = true), isCut: () => dead };
}
