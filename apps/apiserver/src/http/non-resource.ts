import { serveOpenApi } from '../discovery/openapi.ts';
import { groupsOf } from '../discovery/served.ts';
import { serveDiscovery } from '../discovery/serve.ts';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';
import { healthPaths, serveHealth } from './health.ts';
import { operationsPaths, serveOperations } from './operations-pages.ts';
import type { ParsedRequest } from './request-path.ts';
import { isServedGroup, noSuchResource } from './scope.ts';
import { versionInfo } from './version.ts';

type Page = (core: ApiServerCore, exchange: Exchange, parsed: ParsedRequest) => void | Promise<void>;

const json = async (exchange: Exchange, body: object): Promise<void> => exchange.sendJson(200, Buffer.from(JSON.stringify(body)), { encoding: 'json', pretty: exchange.pretty });
/** What upstream writes indented whoever asks. */
const indented = async (exchange: Exchange, body: object): Promise<void> => exchange.sendBytes(200, 'application/json', Buffer.from(JSON.stringify(body, null, 2)));

/** Keys of tokens change rarely; relying parties may keep them as long as upstream lets them. */
const forAnHour = { 'cache-control': 'public, max-age=3600' };

const pages: Readonly<Record<string, Page>> = {
  '/': (core, exchange) => indented(exchange, { paths: allPaths(core) }),
  '/version': (_core, exchange) => indented(exchange, versionInfo),
  '/.well-known/openid-configuration': async (core, exchange) => {
    if (!core.identity) return notFoundPage(exchange);
    exchange.setHeaders(forAnHour);
    await json(exchange, await core.identity.openidConfiguration());
  },
  '/openid/v1/jwks': async (core, exchange) => {
    if (!core.identity) return notFoundPage(exchange);
    exchange.setHeaders(forAnHour);
    await exchange.sendBytes(200, 'application/jwk-set+json', Buffer.from(JSON.stringify(await core.identity.jwks())));
  },
};

/** For paths that nothing stands behind. */
function notFoundPage(exchange: Exchange): void {
  exchange.sendText(404, '404 page not found\n');
}

/** What `/` lists. */
function allPaths(core: ApiServerCore): string[] {
  const groups = groupsOf(core).flatMap(({ name, versions }) => (name ? [`/apis/${name}`, ...versions.map(({ version }) => `/apis/${name}/${version}`)] : versions.map(({ version }) => `/api/${version}`)));
  const own = Object.keys(pages).filter((path) => path !== '/');
  return [...own, ...groups, ...healthPaths(core), ...operationsPaths, '/api', '/apis', '/apis/', '/openapi/v2', '/openapi/v3', '/openapi/v3/'].sort();
}

/** Of API paths within the groups that are built in. */
function isWithinApi(core: ApiServerCore, path: string): boolean {
  const [, root, group = ''] = path.split('/');
  return root === 'api' ? group === 'v1' : root === 'apis' && group !== '' && isServedGroup(core, { group });
}

/** Everything that is not a resource: health, version, metrics, discovery, OpenAPI. */
export async function serveNonResource(core: ApiServerCore, exchange: Exchange, parsed: ParsedRequest): Promise<void> {
  const path = parsed.info.path.length > 1 ? parsed.info.path.replace(/\/$/, '') : parsed.info.path;
  const page = pages[path];
  if (page) return page(core, exchange, parsed);
  if (await serveHealth(core, exchange, parsed)) return;
  if (await serveOperations(core, exchange, parsed)) return;
  if (await serveDiscovery(core, exchange, path)) return;
  if (await serveOpenApi(core, exchange, { path, query: parsed.query })) return;
  if (isWithinApi(core, path)) throw noSuchResource();
  notFoundPage(exchange);
}
