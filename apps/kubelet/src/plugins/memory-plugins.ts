import { Code, RpcError, type ServedService, inMemoryChannel } from '@orrery/rpc';
import type { PluginHost } from './plugin-host.ts';

/** Plug-ins of an emulated node of this process, by the path of their socket there: they are there from the start, and no others come. */
export function memoryPlugins(services: ReadonlyMap<string, readonly ServedService[]>): PluginHost {
  return {
    isFixed: true,
    sockets: async (dir) => [...services.keys()].filter((path) => path.startsWith(`${dir}/`)),
    connect(path) {
      const served = services.get(path);
      if (!served) throw new RpcError(Code.UNAVAILABLE, `nothing listens on ${path}`);
      return inMemoryChannel([...served]);
    },
    serve: async () => ({ stop: async () => undefined }),
  };
}
