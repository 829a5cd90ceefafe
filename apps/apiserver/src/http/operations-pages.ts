import { type ExposeFormat, exposeContentTypes } from '@orrery/runtime';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { ParsedRequest } from './request-path.ts';

const sliPrefix = 'kubernetes_healthcheck';

/** OpenMetrics for who prefers it, by the media type alone: quality values are not weighed. */
function formatOf(accept: string | undefined): ExposeFormat {
  return (accept ?? '').split(',').some((part) => part.split(';')[0]?.trim() === 'application/openmetrics-text') ? 'openmetrics' : 'text';
}

async function sendMetrics({ registry, collectors }: ApiServerCore, exchange: Exchange, isSli: boolean): Promise<void> {
  if (!isSli) await Promise.all(collectors.map((collect) => collect()));
  const format = formatOf(exchange.header('accept'));
  const text = registry.env.metrics.expose(format, (name) => name.startsWith(sliPrefix) === isSli);
  await exchange.sendBytes(200, exposeContentTypes[format], Buffer.from(text));
}

const fairness = '/debug/api_priority_and_fairness/';

/** Metrics and the tables of priority and fairness; false for other paths. */
export async function serveOperations(core: ApiServerCore, exchange: Exchange, { info, query }: ParsedRequest): Promise<boolean> {
  const { path } = info;
  if (path === '/metrics' || path === '/metrics/slis') {
    await sendMetrics(core, exchange, path !== '/metrics');
    return true;
  }
  if (!path.startsWith(fairness)) return false;
  const table = core.flowControl?.dump?.(path.slice(fairness.length), { details: query.get('includeRequestDetails') !== null && query.get('includeRequestDetails') !== '' });
  if (table === undefined) return false;
  exchange.sendText(200, table);
  return true;
}

/** Listed by `/`; the debug pages are not, as upstream. */
export const operationsPaths = ['/metrics', '/metrics/slis'];
