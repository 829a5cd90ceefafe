import { AccessReviewer, type ApiClient, TokenReviewer } from '@orrery/client';
import { StatusError, toStatusError, unauthorized } from '@orrery/errors';
import { type Component, ConfigError, type Env, type ServingSettings, parseGoDuration } from '@orrery/runtime';
import { type ApiConnection, connectApi } from '../connect-api.ts';
import type { HttpHandler, HttpRequest, HttpServer, ServerTls } from '../http-server.ts';
import { serveHttp } from '../http-server-node.ts';
import type { KeyPair } from '../pki/index.ts';
import { type ProgramPages, ProgramPageServer } from './program-pages.ts';
import { RequestGuard } from './request-guard.ts';
import { servingCertificate } from './serving-certificate.ts';
import { tlsOptions } from './tls-options.ts';
import { type Trust, givenTrust, isComplete, lookUpTrust } from './trust.ts';

export interface SecureServing {
  readonly env: Env;
  readonly settings: ServingSettings;
  readonly pages: ProgramPages;
  /** The program's own connection, for what it has no kubeconfig of its own for. */
  readonly api: ApiClient;
  /** Connects by `--authentication-kubeconfig` and `--authorization-kubeconfig`. */
  readonly connect?: (kubeconfig: string) => ApiClient;
  /** In place of what the settings say: where to listen (port 0: a free one), and with which certificate. */
  readonly listen?: { readonly host: string; readonly port: number; readonly certificate: KeyPair };
  /** Told the port when it is open. */
  readonly onListening?: (port: number) => void;
}

/** What the cluster publishes is read again so often: authorities change seldom. */
const refreshMs = 60_000;
const retryMs = 2_000;
/** So many answers that it is not to be had are believed; a server that cannot be reached is waited for. */
const patience = 10;

/** A client by the kubeconfig of a flag, as any client has: over REST. */
export function clientByKubeconfig(env: Env, config: ApiConnection, program: string): (kubeconfig: string) => ApiClient {
  return (kubeconfig) => connectApi(env, { ...config, apiTransport: 'rest', tlsCa: '', tlsCert: '', tlsKey: '', natsUrl: '', kubeconfig }, program);
}

/** Follows what the cluster publishes about whom to trust. */
class PublishedTrust {
  current: Trust;
  private readonly options: SecureServing & { readonly reviews: ApiClient; readonly changed: (trust: Trust) => void };
  private readonly end = new AbortController();

  constructor(options: PublishedTrust['options']) {
    this.options = options;
    this.current = givenTrust(options.settings);
  }

  /** Resolves at once, or, where a failure must not be tolerated, when it has been read. */
  async start(signal?: AbortSignal): Promise<void> {
    const { settings } = this.options;
    if (settings.authenticationSkipLookup || isComplete(this.current)) return;
    if (settings.authenticationTolerateLookupFailure) void this.follow();
    else {
      await this.first(signal);
      void this.follow();
    }
  }

  stop(): void {
    this.end.abort();
  }

  private async first(signal?: AbortSignal): Promise<void> {
    const { clock } = this.options.env;
    for (let refusals = 0; !this.end.signal.aborted && !signal?.aborted; ) {
      const error = await this.read();
      if (!error) return;
      if (error instanceof StatusError && (error.code === 403 || error.code === 404) && ++refusals === patience) throw new ConfigError(`unable to load configmap based request-header-client-ca-file: ${error.message}`);
      await clock.sleep(retryMs, signal ?? this.end.signal).catch(() => undefined);
    }
  }

  private async follow(): Promise<void> {
    const { clock } = this.options.env;
    while (!this.end.signal.aborted) {
      const error = await this.read();
      await clock.sleep(error && !isComplete(this.current) ? retryMs : refreshMs, this.end.signal).catch(() => undefined);
    }
  }

  private async read(): Promise<Error | undefined> {
    const { env, settings, reviews, changed } = this.options;
    try {
      const found = await lookUpTrust(reviews, givenTrust(settings));
      if (JSON.stringify(found) !== JSON.stringify(this.current)) {
        this.current = found;
        changed(found);
      }
      return undefined;
    } catch (error) {
      env.log.debug('authorities of clients cannot be looked up', { error: (error as Error).message });
      return error as Error;
    }
  }
}

const httpBody = (error: StatusError): string => `${JSON.stringify(error.status)}\n`;
const sameButStar = (path: string) => (one: string): boolean => (one.endsWith('*') ? path.startsWith(one.slice(0, -1)) : one === path);

/** Throws StatusError: 401 for credentials that prove nothing, 403 for what is not allowed, 500 when nobody can be asked. */
async function admit(guard: RequestGuard, request: HttpRequest, { path, open }: { path: string; open: readonly string[] }): Promise<void> {
  const user = await guard.authenticate(request);
  if (!user) throw unauthorized();
  if (open.some(sameButStar(path))) return;
  const verb = request.method.toLowerCase();
  const allowed = await guard.allows(user, [{ nonResourceAttributes: { verb, path } }]).catch((error: unknown) => {
    throw new StatusError({ code: 500, reason: 'InternalError', message: `Internal Server Error: ${JSON.stringify(path)}: ${(error as Error).message}` });
  });
  if (!allowed) throw new StatusError({ code: 403, reason: 'Forbidden', message: `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`, details: {} });
}

/** Answers who may be answered; `open` are paths that anybody may read, a `*` at the end stands for anything. */
function guarded(guard: RequestGuard, pages: ProgramPageServer, open: readonly string[]): HttpHandler {
  return {
    async request(request, response) {
      try {
        await admit(guard, request, { path: request.url.split('?')[0] ?? '', open });
        await pages.serve(request, response);
      } catch (error) {
        const known = toStatusError(error);
        response.send(known.code, { 'content-type': 'application/json', 'cache-control': 'no-cache, private', 'x-content-type-options': 'nosniff' }, httpBody(known));
      }
    },
  };
}

/**
 * The component, with the HTTPS port that upstream's program has: its pages are for those whom the API server knows and RBAC lets read
 * them. It listens from before the component starts until it has stopped; `--secure-port 0` is for no port at all.
 */
export function withSecureServing(component: Component, serving: SecureServing): Component {
  const { env, settings, listen, pages } = serving;
  if (!listen && settings.securePort === 0) return component;
  const certificate = listen?.certificate ?? servingCertificate(settings, { name: pages.component, nowMs: env.clock.now() });
  const options = tlsOptions(settings);
  const client = (kubeconfig: string): ApiClient => (kubeconfig && serving.connect ? serving.connect(kubeconfig) : serving.api);
  const [reviews, accesses] = [client(settings.authenticationKubeconfig), client(settings.authorizationKubeconfig)];
  const tls = ({ clientCa, proxyCa }: Trust): ServerTls => ({ cert: certificate.cert, key: certificate.key, clientCa: `${clientCa}\n${proxyCa}`, ...options });
  let server: HttpServer | undefined;
  const trust = new PublishedTrust({ ...serving, reviews, changed: (now) => server?.setTls(tls(now)) });
  const guard = new RequestGuard({
    clock: env.clock,
    log: env.log,
    tokens: new TokenReviewer({ api: reviews, clock: env.clock, rememberMs: parseGoDuration(settings.authenticationTokenWebhookCacheTtl) }),
    accesses: new AccessReviewer({ api: accesses, clock: env.clock, allowedMs: parseGoDuration(settings.authorizationWebhookCacheAuthorizedTtl), deniedMs: parseGoDuration(settings.authorizationWebhookCacheUnauthorizedTtl) }),
    trust: () => trust.current,
    anonymous: true,
  });
  const handler = guarded(guard, new ProgramPageServer(env, pages), settings.authorizationAlwaysAllowPaths);
  return {
    name: component.name,
    async start(signal) {
      const { host, port } = listen ?? { host: settings.bindAddress, port: settings.securePort };
      server ??= await serveHttp({ host, port, handler, tls: tls(trust.current) });
      env.log.info('Serving securely', { host, port: server.port });
      serving.onListening?.(server.port);
      await trust.start(signal);
      await component.start(signal);
    },
    async stop() {
      trust.stop();
      await component.stop();
      await server?.close();
      server = undefined;
      for (const own of new Set([reviews, accesses])) if (own !== serving.api) await own.close();
    },
    ready: () => component.ready(),
  };
}
