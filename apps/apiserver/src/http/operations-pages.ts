import { faultsPath, serveFaults } from '../chaos/fault-pages.ts';
import { type PageReply, flagsOf, flagzPage, statuszPage } from '@orrery/node-io/z-pages';
import { type ExposeFormat, exposeContentTypes, isSli, setVerbosity } from '@orrery/runtime';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { ParsedRequest } from './request-path.ts';
import { healthPaths } from './health.ts';

/** OpenMetrics for who prefers it, by the media type alone: quality values are not weighed. */
function formatOf(accept: string | undefined): ExposeFormat {
  return (accept ?? '').split(',').some((part) => part.split(';')[0]?.trim() === 'application/openmetrics-text') ? 'openmetrics' : 'text';
}

async function sendMetrics({ registry, collectors }: ApiServerCore, exchange: Exchange, slis: boolean): Promise<void> {
  if (!slis) await Promise.all(collectors.map((collect) => collect()));
  const format = formatOf(exchange.header('accept'));
  const text = registry.env.metrics.expose(format, (name) => isSli(name) === slis);
  await exchange.sendBytes(200, exposeContentTypes[format], Buffer.from(text));
}

/** PUT /debug/flags/v */
async function serveVerbosity({ registry }: ApiServerCore, exchange: Exchange): Promise<void> {
  if (exchange.request.method !== 'PUT') return exchange.sendText(406, 'unsupported http method');
  const { status, text } = setVerbosity(registry.env.log, (await exchange.request.body(maxFlagBytes)).toString('utf8'));
  return exchange.sendText(status, text);
}

/** Pages for people who look into the server; false for other paths. */
async function serveInspection(core: ApiServerCore, exchange: Exchange, path: string): Promise<boolean> {
  if (path === '/debug/flags/v') await serveVerbosity(core, exchange);
  else if (path === '/statusz') await sendPage(exchange, statuszPage(exchange.header('accept'), { component, startedMs: core.startedMs, nowMs: core.registry.env.clock.now(), paths: [...healthPaths(core), ...operationsPaths, '/version'] }));
  else if (path === '/flagz') await sendPage(exchange, flagzPage(exchange.header('accept'), { component, flags: flagsOf(core.registry.config) }));
  else return false;
  return true;
}

const component = 'kube-apiserver';

function sendPage(exchange: Exchange, { status, headers, body }: PageReply): Promise<void> {
  exchange.setHeaders(headers);
  return exchange.sendBytes(status, String(headers['content-type']), Buffer.from(body));
}

const maxFlagBytes = 1024;
const fairness = '/debug/api_priority_and_fairness/';

/** Metrics, status and settings, the verbosity of the log and the tables of priority and fairness; false for other paths. */
export async function serveOperations(core: ApiServerCore, exchange: Exchange, { info, query }: ParsedRequest): Promise<boolean> {
  const { path } = info;
  if (path === '/metrics' || path === '/metrics/slis') {
    await sendMetrics(core, exchange, path !== '/metrics');
    return true;
  }
  if (await serveInspection(core, exchange, path)) return true;
  if (path === faultsPath) {
    await serveFaults(core.registry, exchange, query);
    return true;
  }
  if (!path.startsWith(fairness)) return false;
  const table = core.flowControl?.dump?.(path.slice(fairness.length), { details: query.get('includeRequestDetails') !== null && query.get('includeRequestDetails') !== '' });
  if (table === undefined) return false;
  exchange.sendText(200, table);
  return true;
}

/** Listed by `/`; the debug pages are not, as upstream. */
export const operationsPaths = ['/flagz', '/metrics', '/metrics/slis', '/statusz'];
