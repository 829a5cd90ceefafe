import type { HealthMetrics } from '@orrery/runtime';
import type { ApiServerCore, HealthCheck } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { ParsedRequest } from './request-path.ts';

/** The endpoints, and which checks each has. */
const endpoints: Readonly<Record<string, (check: HealthCheck) => boolean>> = {
  healthz: (check) => !check.readinessOnly,
  livez: (check) => !check.readinessOnly,
  readyz: () => true,
};

const quoted = (names: Iterable<string>): string => [...names].sort().map((name) => JSON.stringify(name)).join(',');

/** `/livez?verbose&exclude=etcd` and its kin, worded as upstream's. A failure is always told at length, but without its reason. */
function overall(exchange: Exchange, name: string, request: { checks: readonly HealthCheck[]; query: URLSearchParams; metrics: HealthMetrics }): void {
  const { checks, query, metrics } = request;
  const excluded = new Set(query.getAll('exclude'));
  const lines: string[] = [];
  let hasFailed = false;
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    metrics.checked(name, { name: check.name, ok: check.failure === undefined });
    if (check.failure === undefined) lines.push(`[+]${check.name} ok`);
    else {
      hasFailed = true;
      lines.push(`[-]${check.name} failed: reason withheld`);
    }
  }
  if (excluded.size) lines.push(`warn: some health checks cannot be excluded: no matches for ${quoted(excluded)}`);
  const all = lines.map((line) => `${line}\n`).join('');
  if (hasFailed) exchange.sendText(500, `${all}${name} check failed\n`);
  else exchange.sendText(200, query.has('verbose') ? `${all}${name} check passed\n` : 'ok');
}

/** Answers `/healthz`, `/livez`, `/readyz` and single checks below them (`/readyz/etcd`); false for other paths. */
export function serveHealth(core: ApiServerCore, exchange: Exchange, { info, query }: ParsedRequest): boolean {
  const [, name = '', ...rest] = info.path.split('/');
  const includes = endpoints[name];
  if (!includes) return false;
  const checks = core.checks().filter(includes);
  const wanted = rest.join('/');
  if (wanted === '') {
    overall(exchange, name, { checks, query, metrics: core.healthMetrics });
    return true;
  }
  const check = checks.find((one) => one.name === wanted);
  if (!check) return false;
  if (check.failure === undefined) exchange.sendText(200, 'ok');
  else exchange.sendText(500, `internal server error: ${check.failure}\n`);
  return true;
}

/** All paths that `serveHealth` answers. */
export function healthPaths(core: ApiServerCore): string[] {
  const checks = core.checks();
  return Object.entries(endpoints).flatMap(([name, includes]) => [`/${name}`, ...checks.filter(includes).map((check) => `/${name}/${check.name}`)]);
}
