import type { HttpHandler } from '@orrery/node-io';
import { type PageReply, flagsOf, flagzPage, statuszPage } from '@orrery/node-io/z-pages';
import type { Node } from '@orrery/api/types';
import { type Env, HealthMetrics, exposeContentTypes, isSli } from '@orrery/runtime';
import { type KubeProxyConfig, kubeProxySchema } from './config.ts';
import { configz } from './configuration/configz.ts';

export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a path of one of kube-proxy's ports shows, in the form that `accept` (the header) asks for where there are several. */
export type Pages = (path: string, accept?: string) => PageAnswer;

const oneWord = (value: string | readonly string[] | undefined): string => [value ?? ''].flat().join();

export function pagesHandler(pages: Pages): HttpHandler {
  return {
    request({ url, headers: asked }, response) {
      const { status, headers, body } = pages(url.split('?')[0] ?? '/', oneWord(asked['accept']));
      return response.send(status, headers, body);
    },
  };
}

const text = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
const notFound: PageAnswer = { status: 404, headers: text, body: '404 page not found\n' };

/** Healthy means: no change waits longer than the timeout. */
export interface ProxyHealth {
  /** A change has come. */
  queued(): void;
  /** All changes that had come when the sync began are programmed. */
  updated(): void;
  /** The autoscaler drains nodes that it is about to delete, or that are being deleted, from load balancers. */
  setNode(node: Pick<Node, 'metadata' | 'spec'>): void;
  readonly healthy: boolean;
  /** `/healthz` and `/livez`, as upstream's port 10256. */
  readonly pages: Pages;
  readonly handler: HttpHandler;
}

const deletionTaint = 'ToBeDeletedByClusterAutoscaler';

/** As Go prints a time. */
const goTime = (ms: number): string => (ms ? new Date(ms).toISOString().replace('T', ' ').replace(/\.?0*Z$/, ' +0000 UTC') : '0001-01-01 00:00:00 +0000 UTC');

export function createProxyHealth({ clock, metrics }: Pick<Env, 'clock' | 'metrics'>, { timeoutMs }: { timeoutMs: number }): ProxyHealth {
  const healthz = metrics.counter('kubeproxy_proxy_healthz_total', 'Cumulative proxy healthz HTTP status');
  const livez = metrics.counter('kubeproxy_proxy_livez_total', 'Cumulative proxy livez HTTP status');
  let lastUpdated = 0;
  let oldestQueued: number | undefined;
  let eligible = true;
  const isHealthy = (): boolean => oldestQueued === undefined || clock.now() - oldestQueued < timeoutMs;
  const pages: Pages = (path) => {
    if (path !== '/healthz' && path !== '/livez') return notFound;
    const asNode = path === '/healthz';
    const healthy = isHealthy() && (eligible || !asNode);
    const now = clock.now();
    const status = healthy ? 200 : 503;
    (asNode ? healthz : livez).inc({ code: String(status) });
    const times = `"lastUpdated": ${JSON.stringify(goTime(healthy ? now : lastUpdated))},"currentTime": ${JSON.stringify(goTime(now))}`;
    return { status, headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }, body: `{${times}${asNode ? `, "nodeEligible": ${eligible}` : ''}}` };
  };
  return {
    queued: () => void (oldestQueued ??= clock.now()),
    updated() {
      oldestQueued = undefined;
      lastUpdated = clock.now();
    },
    setNode({ metadata, spec }) {
      eligible = !metadata?.deletionTimestamp && !(spec?.taints ?? []).some(({ key }) => key === deletionTaint);
    },
    get healthy() {
      return isHealthy();
    },
    pages,
    handler: pagesHandler(pages),
  };
}

const answerOf = ({ headers, ...rest }: PageReply): PageAnswer => ({ ...rest, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, oneWord(value)])) });
const shownPaths = ['/configz', '/flagz', '/healthz', '/metrics', '/proxyMode', '/statusz'];

/** `/metrics`, `/metrics/slis`, `/proxyMode`, `/healthz`, `/configz`, `/statusz` and `/flagz`, as upstream's port 10249. `settings` are the flags in effect. */
export function metricsPages({ clock, metrics }: Pick<Env, 'clock' | 'metrics'>, { mode, settings }: { mode: string; settings: Partial<KubeProxyConfig> }): Pages {
  const component = 'kube-proxy';
  const startedMs = clock.now();
  const checks = new HealthMetrics(metrics);
  const exposed = (only: (name: string) => boolean): PageAnswer => ({ status: 200, headers: { 'content-type': exposeContentTypes.text }, body: metrics.expose('text', only) });
  return (path, accept) => {
    if (path === '/metrics') return exposed((name) => !isSli(name));
    if (path === '/metrics/slis') return exposed(isSli);
    if (path === '/proxyMode') return { status: 200, headers: text, body: mode };
    if (path === '/healthz' || path === '/healthz/ping') {
      checks.checked('healthz', { name: 'ping', ok: true });
      return { status: 200, headers: text, body: 'ok' };
    }
    if (path === '/configz') return { status: 200, headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }, body: JSON.stringify(configz(settings, mode)) };
    if (path === '/statusz') return answerOf(statuszPage(accept, { component, startedMs, nowMs: clock.now(), paths: shownPaths }));
    if (path === '/flagz') return answerOf(flagzPage(accept, { component, flags: flagsOf(settings, kubeProxySchema) }));
    return notFound;
  };
}

export const metricsHandler = (...about: Parameters<typeof metricsPages>): HttpHandler => pagesHandler(metricsPages(...about));
