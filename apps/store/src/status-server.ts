import type { HttpHandler, HttpServer, ServeHttp } from '@orrery/node-io';
import { ConfigError, type Metrics } from '@orrery/runtime';
import { etcdVersion } from './services/maintenance.ts';

const text = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
const json = { 'content-type': 'application/json' };

/** /metrics (Prometheus text), /health (etcd's JSON; 503 when not healthy) and /version, as an etcd has them at its clients' port. */
export function statusHandler({ metrics, ready }: { metrics: Metrics; ready: () => boolean }): HttpHandler {
  return {
    request({ url }, response) {
      const path = url.split('?')[0];
      if (path === '/metrics') response.send(200, text, metrics.expose());
      else if (path === '/version') response.send(200, json, JSON.stringify({ etcdserver: etcdVersion, etcdcluster: etcdVersion }));
      else if (path === '/health') {
        const healthy = ready();
        response.send(healthy ? 200 : 503, json, JSON.stringify({ health: String(healthy), reason: healthy ? '' : 'log failed or stopping' }));
      } else response.send(404, text, '404 page not found\n');
    },
  };
}

/** Serves the same at an address of its own, over plain HTTP. */
export function serveStatus(serve: ServeHttp, options: { address: string; handler: HttpHandler }): Promise<HttpServer> {
  const [, host, port] = /^(.*):(\d+)$/.exec(options.address) ?? [];
  if (host === undefined || port === undefined) throw new ConfigError(`--listen-metrics takes host:port, not ${options.address}`);
  return serve({ host, port: Number(port), handler: options.handler });
}
