import type { Component, ConfigSchema, Env } from '@orrery/runtime';
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

/** The component, serving its health on `address` (`host:port`; empty for not at all) from before it starts until it has stopped. */
export function withHealthServer(component: Component, options: { env: Env; address: string }): Component {
  const { address, env } = options;
  if (!address) return component;
  const colon = address.lastIndexOf(':');
  let server: HttpServer | undefined;
  return {
    name: component.name,
    async start(signal) {
      server ??= await serveHttp({ host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)), handler: healthHandler(component, env) });
      env.log.info('health is served', { host: address.slice(0, colon), port: server.port });
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
