import { serveOpenApi } from '../discovery/openapi.ts';
import { serveDiscovery } from '../discovery/serve.ts';
import type { ApiServerCore, HealthCheck } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { ParsedRequest } from './request-path.ts';
import { noSuchResource } from './scope.ts';
import { versionInfo } from './version.ts';

type Page = (core: ApiServerCore, exchange: Exchange, parsed: ParsedRequest) => void | Promise<void>;

/** `/livez?verbose` and its kin, worded as upstream's. */
function health(name: string, includes: (check: HealthCheck) => boolean): Page {
  return (core, exchange, { query }) => {
    const excluded = new Set(query.getAll('exclude').flatMap((value) => value.split(',')));
    const checks = core.checks().filter((check) => includes(check) && !excluded.has(check.name));
    const failed = checks.filter((check) => check.failure !== undefined);
    const lines = checks.map((check) => (check.failure === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`));
    if (failed.length) return exchange.sendText(500, `${lines.join('\n')}\n${name} check failed\n`);
    if (query.has('verbose')) return exchange.sendText(200, `${lines.join('\n')}\n${name} check passed\n`);
    return exchange.sendText(200, 'ok');
  };
}

const json = async (exchange: Exchange, body: object): Promise<void> => exchange.sendJson(200, Buffer.from(JSON.stringify(body)), { encoding: 'json', pretty: exchange.pretty });

const pages: Readonly<Record<string, Page>> = {
  '/healthz': health('healthz', () => true),
  '/livez': health('livez', (check) => !check.readinessOnly),
  '/readyz': health('readyz', () => true),
  '/version': (_core, exchange) => exchange.sendBytes(200, 'application/json', Buffer.from(JSON.stringify(versionInfo, null, 2))),
  '/metrics': (core, exchange) => exchange.sendText(200, core.registry.env.metrics.expose(), 'text/plain; version=0.0.4; charset=utf-8'),
  '/.well-known/openid-configuration': async (core, exchange) => {
    if (!core.identity) return notFoundPage(exchange);
    await json(exchange, await core.identity.openidConfiguration());
  },
  '/openid/v1/jwks': async (core, exchange) => {
    if (!core.identity) return notFoundPage(exchange);
    await exchange.sendBytes(200, 'application/jwk-set+json', Buffer.from(JSON.stringify(await core.identity.jwks())));
  },
};

function notFoundPage(exchange: Exchange): void {
  exchange.sendText(404, '404 page not found\n');
}

const rootPaths = Object.keys(pages);

/** One check alone: `/readyz/etcd`. */
function singleCheck(core: ApiServerCore, exchange: Exchange, path: string): boolean {
  const match = /^\/(?:healthz|livez|readyz)\/(.+)$/.exec(path);
  const check = match && core.checks().find((c) => c.name === match[1]);
  if (!check) return false;
  if (check.failure === undefined) exchange.sendText(200, 'ok');
  else exchange.sendText(500, `internal server error: ${check.failure}\n`);
  return true;
}

/** Everything that is not a resource: health, version, metrics, discovery, OpenAPI. */
export async function serveNonResource(core: ApiServerCore, exchange: Exchange, parsed: ParsedRequest): Promise<void> {
  const path = parsed.info.path.length > 1 ? parsed.info.path.replace(/\/$/, '') : parsed.info.path;
  const page = pages[path];
  if (page) return page(core, exchange, parsed);
  if (path === '/') return json(exchange, { paths: rootPaths });
  if (singleCheck(core, exchange, path)) return;
  if (await serveDiscovery(core, exchange, path)) return;
  if (await serveOpenApi(core, exchange, { path, query: parsed.query })) return;
  if (path.startsWith('/api/') || path.startsWith('/apis/')) throw noSuchResource();
  notFoundPage(exchange);
}
