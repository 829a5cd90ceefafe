import { type Component, ConfigError, type ConfigSchema, type Env } from '@orrery/runtime';
import { type HttpServer, type HttpHandler } from './http-server.ts';
import { serveHttp } from './http-server-node.ts';

/** Setting of programs that serve their health. */
export const healthAddressSchema = {
  healthAddress: { type: 'string', default: '', help: 'host:port of /healthz, /livez, /readyz and /metrics; empty for none' },
} as const satisfies ConfigSchema;

/** `/healthz`, `/livez`, `/readyz` and `/metrics` of a component. Healthy means alive; ready is the component's word. */
export function healthHandler(component: Component, env: Pick<Env, 'metrics'>): HttpHandler {
  return {
    request(request, response) {
      const path = request.url.split('?')[0] ?? '';
      const text = { 'content-type': 'text/plain; charset=utf-8' };
      if (path === '/metrics') return response.send(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, env.metrics.expose());
      if (path === '/healthz' || path === '/livez') return response.send(200, text, 'ok');
      if (path === '/readyz') return component.ready() ? response.send(200, text, 'ok') : response.send(503, text, 'not ready');
      return response.send(404, text, '404 page not found\n');
    },
  };
}

/** `host:port` of a flag, the host of IPv6 in brackets; throws ConfigError for what is none. */
export function listenAddress(flag: string, text: string): { readonly host: string; readonly port: number } {
  const [, six, plain = '', port = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  if (!port || Number(port) > 65_535) throw new ConfigError(`${flag} ${JSON.stringify(text)} is not host:port`);
  return { host: six ?? plain, port: Number(port) };
}

/**
 * The component, serving its health on `address` (`host:port`; empty for not at all) from before it starts until it has stopped.
 * Throws ConfigError for what is no address; the start rejects with one where it cannot be listened on.
 */
export function withHealthServer(component: Component, options: { env: Env; address: string }): Component {
  const { address, env } = options;
  if (!address) return component;
  const { host, port } = listenAddress('--health-address', address);
  const serve = (): Promise<HttpServer> =>
    serveHttp({ host, port, handler: healthHandler(component, env) }).catch((error: unknown) => {
      throw new ConfigError(`--health-address ${address}: ${(error as Error).message}`);
    });
  let server: HttpServer | undefined;
  return {
    name: component.name,
    async start(signal) {
      server ??= await serve();
      env.log.info('health is served', { host, port: server.port });
      await component.start(signal);
    },
    async stop() {
      await component.stop();
      await server?.close();
      server = undefined;
    },
    ready: () => component.ready(),
  };
}
