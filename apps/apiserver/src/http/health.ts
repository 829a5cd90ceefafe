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

const failureOf = (check: HealthCheck): string | undefined | Promise<string | undefined> => (check.failure !== undefined && check.later ? check.later() : check.failure);

/** `/livez?verbose&exclude=etcd` and its kin, worded as upstream's. A failure is always told at length, but without its reason. */
async function overall(exchange: Exchange, name: string, request: { checks: readonly HealthCheck[]; query: URLSearchParams; metrics: HealthMetrics }): Promise<void> {
  const { checks, query, metrics } = request;
  const excluded = new Set(query.getAll('exclude'));
  const failures = await Promise.all(checks.map((check) => (excluded.has(check.name) ? undefined : failureOf(check))));
  const lines: string[] = [];
  let hasFailed = false;
  for (const [i, { name: checked }] of checks.entries()) {
    if (excluded.delete(checked)) {
      lines.push(`[+]${checked} excluded: ok`);
      continue;
    }
    const ok = failures[i] === undefined;
    metrics.checked(name, { name: checked, ok });
    hasFailed ||= !ok;
    lines.push(ok ? `[+]${checked} ok` : `[-]${checked} failed: reason withheld`);
  }
  if (excluded.size) lines.push(`warn: some health checks cannot be excluded: no matches for ${quoted(excluded)}`);
  const all = lines.map((line) => `${line}\n`).join('');
  if (hasFailed) exchange.sendText(500, `${all}${name} check failed\n`);
  else exchange.sendText(200, query.has('verbose') ? `${all}${name} check passed\n` : 'ok');
}

/** Answers `/healthz`, `/livez`, `/readyz` and single checks below them (`/readyz/etcd`); false for other paths. */
export async function serveHealth(core: ApiServerCore, exchange: Exchange, { info, query }: ParsedRequest): Promise<boolean> {
  const [, name = '', ...rest] = info.path.split('/');
  const includes = endpoints[name];
  if (!includes) return false;
  const checks = core.checks().filter(includes);
  const wanted = rest.join('/');
  if (wanted === '') {
    await overall(exchange, name, { checks, query, metrics: core.healthMetrics });
    return true;
  }
  const check = checks.find((one) => one.name === wanted);
  if (!check) return false;
  const failure = await failureOf(check);
  if (failure === undefined) exchange.sendText(200, 'ok');
  else exchange.sendText(500, `internal server error: ${failure}\n`);
  return true;
}

/** All paths that `serveHealth` answers. */
export function healthPaths(core: ApiServerCore): string[] {
  const checks = core.checks();
  return Object.entries(endpoints).flatMap(([name, includes]) => [`/${name}`, ...checks.filter(includes).map((check) => `/${name}/${check.name}`)]);
}
