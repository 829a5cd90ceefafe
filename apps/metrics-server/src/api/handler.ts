import { SelectorError } from '@orrery/apimachinery';
import { type StatusError, badRequest, forbidden, methodNotSupported, notAcceptable, notFound, toStatusError, unauthorized } from '@orrery/errors';
import type { HttpHandler, HttpRequest, HttpResponse } from '@orrery/node-io/http-server';
import type { RequestGuard } from '@orrery/node-io/secure-serving';
import { type Env, latencyBuckets } from '@orrery/runtime';
import { type Attributes, accessOf } from './access.ts';
import { apiGroup, apiGroupList, apiResourceList, listDocument, objectDocument, table } from './documents.ts';
import { type Metrics, type MetricsResource, type Sources, groupVersion, metricsResources } from './metrics-objects.ts';

export interface HandlerDeps extends Sources {
  readonly env: Env;
  readonly guard: RequestGuard;
  readonly ready: () => boolean;
  /** Resolves when there are figures. */
  readonly wanted: () => Promise<void>;
  /** Somebody showed nothing that is trusted: the trust may have changed. */
  readonly onStranger: () => void;
}

interface Target {
  readonly name: string;
  readonly resource: MetricsResource;
  readonly namespace: string;
  readonly object: string;
}

const root = `/apis/${groupVersion}`;
const documents: Readonly<Record<string, object>> = { '/apis': apiGroupList, '/apis/metrics.k8s.io': apiGroup, [root]: apiResourceList };

function targetOf(path: string): Target | undefined {
  if (!path.startsWith(`${root}/`)) return undefined;
  const parts = path.slice(root.length + 1).split('/').map(decodeURIComponent);
  const [namespace = '', name = '', object = '', ...rest] = parts[0] === 'namespaces' && parts.length > 2 ? parts.slice(1) : ['', ...parts];
  const resource = metricsResources[name];
  if (!resource || rest.length > 0 || (namespace !== '' && !resource.namespaced) || (object !== '' && namespace === '' && resource.namespaced)) return undefined;
  return { name, resource, namespace, object };
}

/** What of an Accept header is understood: JSON, as it is or as a Table. */
function asTable(accept: string): boolean {
  const wanted = accept === '' ? ['*/*'] : accept.split(',').map((part) => part.trim().replaceAll(' ', ''));
  for (const one of wanted) {
    const [type = '', ...parameters] = one.split(';');
    const as = parameters.find((parameter) => parameter.startsWith('as='));
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    if (as === 'as=Table') return true;
    if (!as) return false;
  }
  throw notAcceptable('only the following media types are accepted: application/json');
}

const json = { 'content-type': 'application/json' };

class MetricsApi {
  private readonly deps: HandlerDeps;

  constructor(deps: HandlerDeps) {
    this.deps = deps;
  }

  async serve(request: HttpRequest, response: HttpResponse): Promise<number> {
    const url = new URL(request.url, 'http://metrics-server');
    const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : url.pathname;
    const text = (code: number, body: string): number => {
      response.send(code, { 'content-type': 'text/plain; charset=utf-8' }, body);
      return code;
    };
    if (path === '/healthz' || path === '/livez') return text(200, 'ok');
    if (path === '/readyz') return this.deps.ready() ? text(200, 'ok') : text(500, 'not ready');
    try {
      const target = targetOf(path);
      await this.authorize(request, target, path);
      if (path === '/metrics') return text(200, this.deps.env.metrics.expose());
      const body = target ? await this.read(request, target, url.searchParams) : documents[path];
      if (!body) return text(404, '404 page not found');
      response.send(200, json, JSON.stringify(body));
      return 200;
    } catch (error) {
      return this.fail(response, error);
    }
  }

  private fail(response: HttpResponse, error: unknown): number {
    const known: StatusError = toStatusError(error instanceof SelectorError ? badRequest(`unable to parse requirement: ${error.message}`) : error);
    if (known.code >= 500) this.deps.env.log.warn('a request failed', { error: known.message });
    response.send(known.code, json, JSON.stringify(known.status));
    return known.code;
  }

  private async authorize(request: HttpRequest, target: Target | undefined, path: string): Promise<void> {
    const user = await this.deps.guard.authenticate(request);
    if (!user) {
      this.deps.onStranger();
      throw unauthorized();
    }
    if (request.method !== 'GET') throw methodNotSupported({ group: 'metrics.k8s.io', resource: target?.name ?? '' }, request.method.toLowerCase());
    const attributes: Attributes = target ? { verb: target.object ? 'get' : 'list', resource: target.name, namespace: target.namespace, name: target.object } : { verb: 'get', path };
    if (await this.deps.guard.allows(user, [accessOf(attributes)])) return;
    throw target
      ? forbidden({ group: 'metrics.k8s.io', resource: target.name, name: target.object }, `User ${JSON.stringify(user.name)} cannot ${attributes.verb} resource ${JSON.stringify(target.name)} in API group "metrics.k8s.io"`)
      : forbidden({ group: '', resource: '' }, `User ${JSON.stringify(user.name)} cannot get path ${JSON.stringify(path)}`);
  }

  private async read(request: HttpRequest, { name, resource, namespace, object }: Target, query: URLSearchParams): Promise<object> {
    if (query.get('watch') === 'true' || query.get('watch') === '1') throw methodNotSupported({ group: 'metrics.k8s.io', resource: name }, 'watch');
    const isTable = asTable(String(request.headers['accept'] ?? ''));
    await this.deps.wanted();
    let items: Metrics[];
    if (object) items = [await resource.get(this.deps, { namespace, name: object })];
    else items = await resource.list(this.deps, { namespace, labelSelector: query.get('labelSelector') ?? '', fieldSelector: query.get('fieldSelector') ?? '' });
    if (isTable) return table(items, query.get('includeObject') ?? 'Metadata');
    const [first] = items;
    if (!object) return listDocument(resource.kind, items);
    if (!first) throw notFound({ group: 'metrics.k8s.io', resource: name, name: object });
    return objectDocument(resource.kind, first);
  }
}

/** `metrics.k8s.io/v1beta1`, for the API server's front proxy. */
export function metricsHandler(deps: HandlerDeps): HttpHandler {
  const api = new MetricsApi(deps);
  const { clock, metrics } = deps.env;
  return {
    async request(request, response) {
      const startedMs = clock.monotonic();
      const code = await api.serve(request, response);
      metrics.histogram('metrics_server_api_request_duration_seconds', 'Duration of requests for metrics in seconds', latencyBuckets).observe((clock.monotonic() - startedMs) / 1000, { code: String(code) });
    },
  };
}
