import type { ApiClient } from '@orrery/client';
import type { HttpHandler, HttpRequest, HttpResponse, HttpServer, RawSocket, RequestGuard, ServeHttp } from '@orrery/node-io';
import { type Component, type ConfigSchema, type Env, featureMetric, latencyBuckets } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import type { ProgramSettings } from '../configuration/shown.ts';
import type { KubeletConfiguration } from '../configuration/types.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { cadvisorMetrics } from '../stats/cadvisor-metrics.ts';
import { accessOf, accessSchema, kubeletGuard } from './access.ts';
import { serveDebugPage } from './debug-pages.ts';
import { HealthPages } from './health-pages.ts';
import { type Page, type Route, serveNodePage } from './node-pages.ts';
import { HttpFault, notFound, sendText } from './reply.ts';
import { type ConnectStreaming, attachUrl, execUrl, passOn, portForwardUrl, refuse } from './streaming.ts';

/** Settings of the servers of one process; one server may stand for many nodes. */
export const kubeletServerSchema = {
  bindAddress: { type: 'string', default: '127.0.0.1', help: 'address the kubelet API listens on' },
  serverPort: { type: 'number', default: 10250, help: 'port of the kubelet API (TLS); 0 picks a free one' },
  healthzPort: { type: 'number', default: 10248, help: 'port of /healthz (plain, loopback); -1: none' },
  cadvisorPort: { type: 'number', default: 0, help: 'port that serves the metrics of containers at /metrics without authentication, once 4194; 0: none' },
  readOnlyPort: { type: 'number', default: 0, help: 'port that serves reads without authentication; 0: none' },
  ...accessSchema,
} as const satisfies ConfigSchema;

export interface KubeletServerDeps {
  readonly kubelets: () => Iterable<Kubelet>;
  /** For TokenReview and SubjectAccessReview. */
  readonly api: ApiClient;
  readonly serveHttp: ServeHttp;
  /** PEM; clients authenticate with certificates of `clientCa`. Without it the server speaks plain HTTP, for tests. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  readonly connectStreaming: ConnectStreaming;
  /** Flags of the program by name, for /flagz; without them those of the node are shown. */
  readonly flags?: Readonly<Record<string, string>>;
  /** CRI endpoint of a node, for /configz; without it the runtimes are in this process. */
  readonly criEndpointOf?: (node: string) => string;
  /** What the file of the program said of feature gates, for their metric. */
  readonly configuration?: Pick<KubeletConfiguration, 'featureGates'>;
}

export interface KubeletServer extends Component {
  /** Port of the kubelet API, once started. */
  readonly port: number;
  /** The handlers themselves, for servers that are there already. */
  readonly handler: HttpHandler;
  /** The same for a server that stands for this node alone. */
  handlerOf(node: string): HttpHandler;
  /** Another certificate, for connections from now on. */
  setTls(tls: { readonly cert: string; readonly key: string }): void;
}

function routeOf(request: HttpRequest, own?: string): Route {
  const url = new URL(request.url, 'http://kubelet');
  let parts = url.pathname.split('/').slice(1).map(decodeURIComponent);
  const header = request.headers['x-orrery-node'];
  let node = own ?? (typeof header === 'string' ? header : undefined);
  if (own === undefined && parts[0] === 'nodes' && parts[1]) {
    node = parts[1];
    parts = parts.slice(2);
  }
  return { url, node, parts, path: `/${parts.join('/')}` };
}

class KubeletApi {
  private readonly env: Env;
  private readonly deps: KubeletServerDeps;
  private readonly config: ProgramSettings;
  private readonly guard: RequestGuard;
  private readonly asksWhoMay: boolean;
  private readonly health: HealthPages;
  private readonly startedMs: number;

  constructor(env: Env, deps: KubeletServerDeps, config: ProgramSettings) {
    this.env = env;
    this.deps = deps;
    this.config = config;
    this.startedMs = env.clock.now();
    this.health = new HealthPages(env, { kubelets: deps.kubelets });
    this.guard = kubeletGuard(env, { api: deps.api, clientCa: deps.tls?.clientCa }, config);
    this.asksWhoMay = config.authorizationMode === 'Webhook';
  }

  handler(options: { authenticated: boolean; node?: string }): HttpHandler {
    return {
      request: async (request, response) => {
        const startMs = this.env.clock.monotonic();
        try {
          const route = routeOf(request, options.node);
          if (options.authenticated) await this.check(request, route);
          else if (request.method !== 'GET') throw new HttpFault(405, '405: Method Not Allowed');
          await this.serve(this.page(route, { request, response }), options);
        } catch (error) {
          this.fail(response, error);
        } finally {
          this.observe(request, startMs);
        }
      },
      ...(options.authenticated ? { upgrade: (request, socket) => this.upgrade(routeOf(request, options.node), request, socket) } : {}),
    };
  }

  private page(route: Route, { request, response }: Pick<Page, 'request' | 'response'>): Page {
    const { env, startedMs, deps, config } = this;
    const configuration = [...deps.kubelets()][0]?.context.configuration;
    const program = (node: string): ProgramSettings => ({ ...config, criEndpoint: deps.criEndpointOf?.(node) ?? '' });
    return { env, route, request, response, startedMs, flags: deps.flags, configuration, program, kubelet: () => this.nodeOf(route), find: (key, missing) => this.find(key, missing) };
  }

  /** What cAdvisor served on a port of its own: the metrics of all containers, by the node where there are several. */
  containerMetrics(): HttpHandler {
    return {
      request: async (request, response) => {
        try {
          const route = routeOf(request);
          if (route.path === '/healthz') return sendText(response, 200, 'ok');
          if (request.method !== 'GET') throw new HttpFault(405, 'Method Not Allowed');
          if (route.path !== '/metrics') throw notFound();
          sendText(response, 200, await cadvisorMetrics(this.nodeOf(route)));
        } catch (error) {
          this.fail(response, error);
        }
      },
    };
  }

  private observe(request: HttpRequest, startMs: number): void {
    const path = request.url.split('/')[1]?.split('?')[0] ?? '';
    this.env.metrics.histogram('kubelet_http_requests_duration_seconds', 'Duration in seconds to serve http requests', latencyBuckets).observe((this.env.clock.monotonic() - startMs) / 1000, { method: request.method, path });
  }

  private fail(response: HttpResponse, error: unknown): void {
    const code = error instanceof HttpFault ? error.code : error instanceof URIError ? 400 : 500;
    if (code === 500) this.env.log.warn('kubelet request failed', { error: (error as Error).message });
    sendText(response, code, (error as Error).message);
  }

  private async check(request: HttpRequest, route: Route): Promise<void> {
    const user = await this.guard.authenticate(request);
    if (!user) throw new HttpFault(401, 'Unauthorized');
    if (!this.asksWhoMay) return;
    const name = route.node ?? [...this.deps.kubelets()][0]?.nodeName ?? '';
    const { verb, subresources } = accessOf(request.method, route.path);
    const accesses = subresources.map((subresource) => ({ resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name } }));
    if (await this.guard.allows(user, accesses)) return;
    throw new HttpFault(403, `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`);
  }

  private async upgrade(route: Route, request: HttpRequest, socket: RawSocket): Promise<void> {
    try {
      await this.check(request, route);
      const url = await this.streamingUrl(route);
      await passOn(url, request, { socket, connect: this.deps.connectStreaming });
    } catch (error) {
      await refuse(socket, error);
    }
  }

  private streamingUrl({ parts, url }: Route): Promise<string> {
    const [kind, namespace = '', pod = '', ...rest] = parts;
    const container = rest.at(-1) ?? '';
    const uid = kind === 'portForward' ? rest[0] : rest.length > 1 ? rest[0] : undefined;
    if (kind !== 'exec' && kind !== 'attach' && kind !== 'portForward') throw notFound();
    const target = { ...this.find({ namespace, pod, uid }), query: url.searchParams };
    if (kind === 'portForward') return portForwardUrl(target);
    return kind === 'exec' ? execUrl({ ...target, container }) : attachUrl({ ...target, container });
  }

  private find(key: { namespace: string; pod: string; uid?: string | undefined }, missing = 'pod does not exist'): { kubelet: Kubelet; worker: PodWorker } {
    for (const kubelet of this.deps.kubelets()) {
      const worker = kubelet.pods.find(key.namespace, key.pod, key.uid);
      if (worker) return { kubelet, worker };
    }
    throw new HttpFault(404, missing);
  }

  private nodeOf(route: Route): Kubelet {
    const kubelets = [...this.deps.kubelets()];
    const found = route.node === undefined && kubelets.length === 1 ? kubelets[0] : kubelets.find(({ nodeName }) => nodeName === route.node);
    if (!found) throw new HttpFault(route.node === undefined ? 400 : 404, route.node === undefined ? 'this server stands for many nodes: name one by the path /nodes/{name}/… or the header x-orrery-node' : `node "${route.node}" is not here`);
    return found;
  }

  /** Pages that show nobody's secrets are on all servers; those of the other kind want somebody who may. */
  private async serve(page: Page, { authenticated }: { authenticated: boolean }): Promise<void> {
    if (this.health.serve(page) || (await serveNodePage(page))) return;
    if (!(await serveDebugPage(page, { authenticated }))) throw notFound();
  }
}

/**
 * The kubelet's HTTP server for one or many nodes: requests about pods find their node by the pod, requests about a node
 * name it. Health on a second port; reads without authentication on a third, if asked for.
 */
export function createKubeletServer(env: Env, deps: KubeletServerDeps, config: ProgramSettings): KubeletServer {
  const api = new KubeletApi(env, deps, config);
  featureMetric(env.metrics, Object.entries(deps.configuration?.featureGates ?? {}).map(([name, isOn]) => `${name}=${isOn}`));
  const workers = (): PodWorker[] => [...deps.kubelets()].flatMap((kubelet) => [...kubelet.pods.list()]);
  env.metrics.gaugeFn('kubelet_running_pods', 'Number of pods that have a running pod sandbox', () => workers().filter((worker) => worker.sandbox).length);
  env.metrics.collect('kubelet_running_containers', { type: 'gauge', help: 'Number of currently running containers' }, () => {
    const counts = new Map<string, number>([['running', 0]]);
    for (const { runtime } of workers()) for (const { state } of runtime.containers) counts.set(state, (counts.get(state) ?? 0) + 1);
    return [...counts].map(([state, value]) => ({ labels: { container_state: state }, value }));
  });
  const handler = api.handler({ authenticated: true });
  const servers: HttpServer[] = [];
  const healthy = (): boolean => [...deps.kubelets()].every((kubelet) => kubelet.ready());
  const healthz: HttpHandler = { request: (_request, response) => (healthy() ? sendText(response, 200, 'ok') : sendText(response, 500, 'not ready')) };
  let port = config.serverPort;
  let main: HttpServer | undefined;
  let { tls } = deps;
  return {
    name: 'kubelet-server',
    handler,
    handlerOf: (node) => api.handler({ authenticated: true, node }),
    get port() {
      return port;
    },
    setTls({ cert, key }) {
      if (tls) tls = { ...tls, cert, key };
      if (tls) main?.setTls(tls);
    },
    async start() {
      main = await deps.serveHttp({ host: config.bindAddress, port: config.serverPort, handler, ...(tls ? { tls } : {}) });
      port = main.port;
      servers.push(main);
      if (config.healthzPort >= 0) servers.push(await deps.serveHttp({ host: '127.0.0.1', port: config.healthzPort, handler: healthz }));
      if (config.cadvisorPort > 0) servers.push(await deps.serveHttp({ host: config.bindAddress, port: config.cadvisorPort, handler: api.containerMetrics() }));
      if (config.readOnlyPort > 0) servers.push(await deps.serveHttp({ host: config.bindAddress, port: config.readOnlyPort, handler: api.handler({ authenticated: false }) }));
    },
    async stop() {
      for (const server of servers.splice(0)) await server.close();
    },
    ready: () => servers.length > 0,
  };
}
