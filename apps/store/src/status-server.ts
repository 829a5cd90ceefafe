import type { HttpServer, ServeHttp } from '@orrery/node-io';
import { ConfigError, type Metrics } from '@orrery/runtime';

const text = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
const json = { 'content-type': 'application/json' };

/** Serves /metrics (Prometheus text) and /health (etcd's JSON; 503 when not healthy) over plain HTTP. */
export function serveStatus(serve: ServeHttp, options: { address: string; metrics: Metrics; ready: () => boolean }): Promise<HttpServer> {
  const [, host, port] = /^(.*):(\d+)$/.exec(options.address) ?? [];
  if (host === undefined || port === undefined) throw new ConfigError(`--listen-metrics takes host:port, not ${options.address}`);
  return serve({
    host,
    port: Number(port),
    handler: {
      request(request, response) {
        const path = request.url.split('?')[0];
        if (path === '/metrics') response.send(200, text, options.metrics.expose());
        else if (path === '/health') {
          const healthy = options.ready();
          response.send(healthy ? 200 : 503, json, JSON.stringify({ health: String(healthy), reason: healthy ? '' : 'log failed or stopping' }));
        } else response.send(404, text, 'not found\n');
      },
    },
  });
}
