import type { HttpHandler, HttpServer, serveHttp } from '@orrery/node-io';
import type { Env } from '@orrery/runtime';
import { type HealthPort, healthPortAnswer } from '@orrery/vnet';

export type ServeHttp = typeof serveHttp;

/** Listens on `host:port`; an empty address is none. */
export async function serveAt(serve: ServeHttp, address: string, handler: HttpHandler): Promise<HttpServer | undefined> {
  if (!address) return undefined;
  const colon = address.lastIndexOf(':');
  return serve({ host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)), handler });
}

/** The health-check node ports of this machine. */
export interface HealthPortServers {
  set(ports: readonly HealthPort[]): Promise<void>;
  close(): Promise<void>;
}

export function createHealthPortServers(env: Pick<Env, 'log'>, { serve, healthy }: { serve: ServeHttp; healthy: () => boolean }): HealthPortServers {
  const open = new Map<number, { port: HealthPort; server: HttpServer }>();
  const listen = async (number: number, first: HealthPort): Promise<void> => {
    const handler: HttpHandler = {
      request(_request, response) {
        const { status, headers, body } = healthPortAnswer(open.get(number)?.port ?? first, healthy());
        return response.send(status, headers, body);
      },
    };
    try {
      open.set(number, { port: first, server: await serve({ host: '::', port: number, handler }) });
    } catch (error) {
      env.log.warn('a health check node port cannot listen', { port: number, service: `${first.namespace}/${first.service}`, error: (error as Error).message });
    }
  };
  const set = async (ports: readonly HealthPort[]): Promise<void> => {
    const wanted = new Map(ports.map((port) => [port.port, port]));
    for (const [number, { server }] of [...open]) {
      if (wanted.has(number)) continue;
      open.delete(number);
      await server.close();
    }
    for (const [number, port] of wanted) {
      const known = open.get(number);
      if (known) known.port = port;
      else await listen(number, port);
    }
  };
  return { set, close: () => set([]) };
}
