import { type Env, type ExposeFormat, HealthMetrics, exposeContentTypes, isSli, setVerbosity } from '@orrery/runtime';
import type { HttpRequest, HttpResponse } from '../http-server.ts';
import { flagzPage, statuszPage } from '../z-pages.ts';

/** One condition of a program's health. */
export interface HealthCheck {
  readonly name: string;
  /** What is wrong; undefined when nothing is. */
  failure(): string | undefined;
}

export interface ProgramPages {
  /** As upstream names the program: `kube-scheduler`. */
  readonly component: string;
  /** Of /readyz; /healthz and /livez tell that the program answers. */
  readonly ready: readonly HealthCheck[];
  /** The settings in effect, by the names of their flags. */
  readonly flags: Readonly<Record<string, string>>;
  /** What /configz shows. */
  readonly configuration: Readonly<Record<string, unknown>>;
  /** Further pages with metrics, by path, in Prometheus' text format. */
  readonly metrics?: Readonly<Record<string, () => string>>;
}

const maxFlagBytes = 1024;
const alive: readonly HealthCheck[] = [{ name: 'ping', failure: () => undefined }];

const formatOf = (accept: string): ExposeFormat => (accept.split(',').some((part) => part.split(';')[0]?.trim() === 'application/openmetrics-text') ? 'openmetrics' : 'text');

/** The pages of a program with a port of its own: health, metrics, status and settings, the verbosity of its log. */
export class ProgramPageServer {
  private readonly env: Env;
  private readonly pages: ProgramPages;
  private readonly startedMs: number;
  private readonly metrics: HealthMetrics;
  private readonly health: ReadonlyMap<string, readonly HealthCheck[]>;

  constructor(env: Env, pages: ProgramPages) {
    this.env = env;
    this.pages = pages;
    this.startedMs = env.clock.now();
    this.metrics = new HealthMetrics(env.metrics);
    this.health = new Map([['healthz', alive], ['livez', alive], ['readyz', [...alive, ...pages.ready]]]);
  }

  /** Every page; 404 for other paths. */
  async serve(request: HttpRequest, response: HttpResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(request.url, 'http://program');
    const accept = String(request.headers['accept'] ?? '');
    const [, first = '', ...rest] = path.split('/');
    if (this.health.has(first) && rest.length < 2) return this.serveHealth(first, rest[0], query, response);
    const more = this.pages.metrics?.[path];
    if (more) return response.send(200, { 'content-type': exposeContentTypes.text }, more());
    if (path === '/metrics' || path === '/metrics/slis') {
      const format = formatOf(accept);
      return response.send(200, { 'content-type': exposeContentTypes[format] }, this.env.metrics.expose(format, (name) => isSli(name) === (path !== '/metrics')));
    }
    if (path === '/debug/flags/v') return this.serveVerbosity(request, response);
    const page = this.page(path, accept);
    if (page) response.send(page.status, page.headers, page.body);
    else this.sendText(response, 404, '404 page not found\n');
  }

  private page(path: string, accept: string): ReturnType<typeof statuszPage> | undefined {
    const { component, flags, configuration, metrics = {} } = this.pages;
    if (path === '/statusz') {
      // Listed is what was there before this page was.
      const paths = [...this.health.keys()].map((name) => `/${name}`).concat('/configz', '/flagz', '/metrics', Object.keys(metrics));
      return statuszPage(accept, { component, startedMs: this.startedMs, nowMs: this.env.clock.now(), paths });
    }
    if (path === '/flagz') return flagzPage(accept, { component, flags });
    return path === '/configz' ? { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(configuration) } : undefined;
  }

  private serveHealth(kind: string, name: string | undefined, query: URLSearchParams, response: HttpResponse): void {
    const excluded = new Set(query.getAll('exclude'));
    const checks = (this.health.get(kind) ?? []).filter((check) => (name ? check.name === name : !excluded.has(check.name)));
    if (name && !checks.length) return this.sendText(response, 404, '404 page not found\n');
    const results = checks.map((check) => ({ name: check.name, failure: this.run(check, kind) }));
    const failed = results.find(({ failure }) => failure !== undefined);
    if (name) return failed ? this.sendText(response, 500, `internal server error: ${failed.failure ?? ''}\n`) : this.sendText(response, 200, 'ok');
    const lines = results.map((one) => (one.failure === undefined ? `[+]${one.name} ok\n` : `[-]${one.name} failed: reason withheld\n`)).join('');
    if (failed) return this.sendText(response, 500, `${lines}${kind} check failed\n`);
    this.sendText(response, 200, query.has('verbose') ? `${lines}${kind} check passed\n` : 'ok');
  }

  private run({ name, failure }: HealthCheck, type: string): string | undefined {
    const found = failure();
    this.metrics.checked(type, { name, ok: found === undefined });
    return found;
  }

  /** PUT /debug/flags/v: the verbosity of the log, by klog's numbers. */
  private async serveVerbosity(request: HttpRequest, response: HttpResponse): Promise<void> {
    if (request.method !== 'PUT') return this.sendText(response, 406, 'unsupported http method');
    const { status, text } = setVerbosity(this.env.log, (await request.body(maxFlagBytes)).toString('utf8'));
    this.sendText(response, status, text);
  }

  private sendText(response: HttpResponse, status: number, text: string): void {
    response.send(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, text);
  }
}
