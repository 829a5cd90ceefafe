import type { Env } from '@orrery/runtime';
import type { Endpoint } from '@orrery/vnet';
import type { GlobalSettings } from '../annotations/global.ts';
import type { LocationSettings } from '../annotations/settings.ts';
import type { ForwardPlan, ProxiedRequest, ProxyVerdict } from '../proxy.ts';
import { type Backend, type Backends, endpointsOf, upstreamName } from '../routing/backends.ts';
import { hostOf } from '../routing/paths.ts';
import type { Location, RoutingTable } from '../routing/table.ts';
import { type VerifyPassword, basicUser, sourceAllowed, within } from './access.ts';
import { byHash, byTurn, endpointKey } from './balance.ts';
import { takesCanary } from './canary.ts';
import { certificateHeaders, certificateRefusal } from './client-certificate.ts';
import { corsHeaders } from './cors.ts';
import { authHeaders, backendHeaders, isSecure, realClient } from './headers.ts';
import { Limiter } from './limits.ts';
import { redirectOf, rewritten, secureAuthority } from './redirects.ts';
import { ResponseTimes } from './response-times.ts';
import { stick } from './sticky.ts';
import { cookieOf, expand, headerOf, pathOf } from './variables.ts';

/** What is remembered of a request until it is done. */
export interface Tag {
  readonly location: Location | undefined;
  readonly backend: Backend | undefined;
  /** Name of the canary's upstream when it took the request. */
  readonly alternative: string;
  readonly id: string;
  readonly user: string;
  readonly client: string;
  release(): void;
}

export interface DeciderDeps {
  readonly env: Env;
  readonly backends: Backends;
  readonly table: () => RoutingTable;
  readonly global: () => GlobalSettings;
  readonly verify: VerifyPassword;
  /** Port of HTTPS, for redirects. */
  readonly httpsPort: () => string;
}

/** An endpoint that failed is avoided by sticky clients that may change for so long. */
const failingMs = 10_000;

interface Context {
  readonly request: ProxiedRequest;
  readonly location: Location;
  readonly groups: readonly string[];
  readonly client: string;
  readonly secure: boolean;
  readonly id: string;
  readonly global: GlobalSettings;
}

const nothing = (): void => undefined;

/** Decides about requests: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/. */
export class Decider {
  /** What requests took, for those that are sent by it. */
  readonly times: ResponseTimes;
  private readonly deps: DeciderDeps;
  private readonly limiter: Limiter;
  private readonly turns = new Map<string, number>();
  private readonly failing = new Map<string, number>();

  constructor(deps: DeciderDeps) {
    this.deps = deps;
    this.limiter = new Limiter(deps.env.clock);
    this.times = new ResponseTimes(deps.env);
  }

  readonly decide = (request: ProxiedRequest): ProxyVerdict | Promise<ProxyVerdict> => {
    const global = this.deps.global();
    const host = hostOf(request.host);
    const table = this.deps.table();
    const base = { client: realClient(request, global), secure: isSecure(request, global), id: headerOf(request, 'x-request-id') || this.deps.env.random.uuid().replaceAll('-', ''), global };
    const www = table.wwwTarget(host);
    if (www !== undefined) {
      const authority = base.secure ? secureAuthority(www, this.deps.httpsPort()) : `${www}${/:\d+$/.exec(request.host)?.[0] ?? ''}`;
      return this.reply({ ...base, location: undefined }, global.redirectStatus, { location: `${base.secure ? 'https' : 'http'}://${authority}${request.target}` });
    }
    const found = table.route(host, pathOf(request.target));
    if (!found) return this.reply({ ...base, location: undefined }, 404, {}, 'default backend - 404');
    const context: Context = { ...base, ...found, request };
    const refused = this.refused(context);
    if (refused) return refused;
    const { basicAuth } = context.location.settings;
    if (!basicAuth || isKnownSource(context)) return this.admit(context, '');
    return basicUser(request, basicAuth, { backends: this.deps.backends, verify: this.deps.verify, clock: this.deps.env.clock }).then((user) =>
      user === undefined ? this.reply(context, 401, { 'www-authenticate': `Basic realm="${basicAuth.realm}"` }, '401 Authorization Required') : this.admit(context, user),
    );
  };

  private reply(context: Pick<Context, 'client' | 'id' | 'secure' | 'global'> & { location: Location | undefined }, status: number, headers: Readonly<Record<string, string>>, body = ''): ProxyVerdict {
    const { location, client, id } = context;
    const tag: Tag = { location, backend: location?.backend, alternative: '', id, user: '', client, release: nothing };
    const hsts: Record<string, string> = context.secure && context.global.hsts ? { 'strict-transport-security': context.global.hsts } : {};
    return { kind: 'reply', status, headers: { ...hsts, ...headers }, body, tag };
  }

  /** What is answered before a backend is thought of. */
  private refused(context: Context): ProxyVerdict | undefined {
    const { request, location, client, global } = context;
    const { settings } = location;
    const redirect = redirectOf(request, { ...context, httpsPort: this.deps.httpsPort() });
    if (redirect) return this.reply(context, redirect.status, { location: redirect.location });
    const auth = request.secure ? this.deps.table().clientAuth(hostOf(request.host)) : undefined;
    const uncertified = auth && certificateRefusal(request, auth.settings, auth.ca !== '');
    if (uncertified?.page) return this.reply(context, 302, { location: expand(uncertified.page, request) });
    if (uncertified) return this.reply(context, uncertified.status, {}, uncertified.text);
    if (settings.cors && request.method === 'OPTIONS') return this.reply(context, 204, corsHeaders(settings.cors, { origin: headerOf(request, 'origin'), preflight: true }));
    const { satisfy, basicAuth, externalAuth } = settings;
    if (!sourceAllowed(client, settings) && !(satisfy === 'any' && (basicAuth ?? externalAuth))) return this.reply(context, 403, {}, '403 Forbidden');
    const { limits } = settings;
    if (within(client, limits.exempt)) return undefined;
    if (!this.limiter.admits(zoneOf(location), client, limits)) return this.reply(context, global.limitReqStatus, {}, `${global.limitReqStatus} Service Temporarily Unavailable`);
    return undefined;
  }

  private admit(context: Context, user: string): ProxyVerdict {
    const { location, client, global } = context;
    const { limits } = location.settings;
    const release = this.limiter.enter(zoneOf(location), client, within(client, limits.exempt) ? 0 : limits.connections);
    if (!release) return this.reply(context, global.limitConnStatus, {}, `${global.limitConnStatus} Service Temporarily Unavailable`);
    const verdict = this.forward(context, user, release);
    if (verdict.kind === 'reply') release();
    return verdict;
  }

  private forward(context: Context, user: string, release: () => void): ProxyVerdict {
    const { request, location, client, id } = context;
    const { backends, env } = this.deps;
    const canary = location.alternatives.find(({ settings }) => settings.canary && takesCanary(settings.canary, request, () => env.random.next()));
    const settings = { ...location.settings, ...(canary ? { serviceUpstream: canary.settings.serviceUpstream } : {}) };
    let backend = canary?.backend ?? location.backend;
    let endpoints = endpointsOf(backends, backend, settings.serviceUpstream);
    if (!endpoints.length && settings.defaultBackend) {
      backend = this.fallback(location) ?? backend;
      endpoints = endpointsOf(backends, backend, false);
    }
    if (!endpoints.length) return this.reply(context, 503, {}, '503 Service Temporarily Unavailable');
    const tag: Tag = { location, backend, alternative: canary ? upstreamName(canary.backend) : '', id, user, client, release };
    const ordered = this.order(context, { backend, endpoints, settings });
    return { kind: 'forward', plan: this.plan(context, { settings, ordered, cookie: ordered.cookie, user }), tag };
  }

  private fallback({ namespace, settings }: Location): Backend | undefined {
    const service = this.deps.backends.service(namespace, settings.defaultBackend);
    const port = service?.spec?.ports?.[0];
    return port && { namespace, service: settings.defaultBackend, port: String(port.port) };
  }

  private order(context: Context, input: { backend: Backend; endpoints: readonly Endpoint[]; settings: LocationSettings }): { endpoints: readonly Endpoint[]; cookie: string | undefined } {
    const { request, location, secure } = context;
    const { backend, endpoints, settings } = input;
    const { env } = this.deps;
    const name = upstreamName(backend);
    const turn = this.turns.get(name) ?? 0;
    this.turns.set(name, (turn + 1) % 1_000_000_007);
    if (settings.sticky) {
      const path = settings.sticky.path || (location.matcher.regex ? '/' : location.matcher.path);
      const nowMs = env.clock.now();
      const newKey = (): string => `${(nowMs / 1000).toFixed(3)}.${env.random.int(1_000)}.${env.random.int(1_000_000)}`;
      const isFailing = (endpoint: Endpoint): boolean => (this.failing.get(endpointKey(endpoint)) ?? -1) > env.clock.monotonic();
      return stick({ endpoints, settings: settings.sticky, backend: name, value: cookieOf(request, settings.sticky.name), path, secure, turn, newKey, nowMs, isFailing });
    }
    if (settings.loadBalance === 'ewma' && !settings.hashBy) return { endpoints: this.times.order(endpoints), cookie: undefined };
    if (settings.hashBy) return { endpoints: byHash(endpoints, expand(settings.hashBy, request)), cookie: undefined };
    return { endpoints: byTurn(endpoints, turn), cookie: undefined };
  }

  private plan(context: Context, input: { settings: LocationSettings; ordered: { endpoints: readonly Endpoint[] }; cookie: string | undefined; user: string }): ForwardPlan {
    const { request, location, groups, client, secure, id, global } = context;
    const { settings, ordered, cookie, user } = input;
    const { retry } = settings;
    const externalAuth = isKnownSource(context) ? undefined : settings.externalAuth;
    const auth = request.secure ? this.deps.table().clientAuth(hostOf(request.host)) : undefined;
    const extra = this.headersOf(global.setHeaders);
    const cors = settings.cors ? corsHeaders(settings.cors, { origin: headerOf(request, 'origin'), preflight: false }) : {};
    const custom = this.headersOf(settings.customHeaders);
    const allowed = Object.fromEntries(Object.entries(custom).filter(([name]) => global.whitelistOfCustomHeaders.includes(name.toLowerCase())));
    const hsts: Record<string, string> = secure && global.hsts ? { 'strict-transport-security': global.hsts } : {};
    const signIn = externalAuth?.signIn ? expand(externalAuth.signIn, request) : '';
    const back = `${secure ? 'https' : 'http'}://${request.host}${request.target}`;
    const parameter = signIn && !new RegExp(`[?&]${externalAuth?.signInParameter ?? 'rd'}=`).test(signIn) ? `${signIn.includes('?') ? '&' : '?'}${externalAuth?.signInParameter ?? 'rd'}=${encodeURIComponent(back)}` : '';
    return {
      endpoints: ordered.endpoints,
      target: rewritten(request.target, settings.rewriteTarget, groups),
      setHeaders: { ...backendHeaders(request, { location, global, client, secure, id, extra }), ...(user ? { 'x-forwarded-user': user } : {}), ...(auth ? certificateHeaders(request, auth.settings) : {}) },
      responseHeaders: { ...hsts, ...lowered(this.headersOf(global.addHeaders)), ...lowered(allowed), ...cors },
      cookies: cookie ? [cookie] : [],
      hideHeaders: global.hideHeaders,
      protocol: settings.backendProtocol,
      verify: settings.verifyBackend,
      serverName: settings.backendServerName,
      connectTimeoutMs: settings.connectTimeoutSeconds * 1000,
      sendTimeoutMs: settings.sendTimeoutSeconds * 1000,
      readTimeoutMs: settings.readTimeoutSeconds * 1000,
      bodyLimit: settings.bodyLimit,
      retryOn: retry.on,
      tries: retry.tries,
      retryTimeoutMs: retry.timeoutSeconds * 1000,
      mirror: settings.mirrorTarget ? { url: expand(settings.mirrorTarget, request), body: settings.mirrorBody } : undefined,
      auth: externalAuth && { url: expand(externalAuth.url, request), method: externalAuth.method, headers: authHeaders(request, { client, secure, id }), responseHeaders: externalAuth.responseHeaders, signIn: signIn + parameter },
      failed: (endpoint) => void this.failing.set(endpointKey(endpoint), this.deps.env.clock.monotonic() + failingMs),
      ...(settings.customHttpErrors.length ? { instead: (status: number) => this.instead(context, status) } : {}),
    };
  }

  /** The default backend's page for a status that is not passed on. */
  private instead(context: Context, status: number): ProxyVerdict | undefined {
    const { request, location, id, client } = context;
    const { settings } = location;
    if (!settings.customHttpErrors.includes(status)) return undefined;
    const backend = settings.defaultBackend ? this.fallback(location) : this.deps.table().route('', '/')?.location.backend;
    const endpoints = backend ? endpointsOf(this.deps.backends, backend, false) : [];
    if (!backend || !endpoints.length) return undefined;
    const asked = { 'x-code': String(status), 'x-format': headerOf(request, 'accept') ?? '', 'x-original-uri': request.target, 'x-namespace': location.namespace, 'x-ingress-name': location.ingress.split('/')[1] ?? '', 'x-service-name': location.backend.service, 'x-service-port': location.backend.port, 'x-request-id': id };
    const { instead: _no, ...plan } = this.plan(context, { settings, ordered: { endpoints }, cookie: undefined, user: '' });
    const tag: Tag = { location, backend, alternative: '', id, user: '', client, release: nothing };
    return { kind: 'forward', plan: { ...plan, target: '/', setHeaders: { ...plan.setHeaders, ...asked }, auth: undefined, mirror: undefined, protocol: 'HTTP' }, tag };
  }

  /** Headers that a ConfigMap (`namespace/name`) holds. */
  private headersOf(reference: string): Readonly<Record<string, string>> {
    if (!reference) return {};
    const [namespace = '', name = ''] = reference.split('/');
    return this.deps.backends.configMap(namespace, name) ?? {};
  }
}

const lowered = (headers: Readonly<Record<string, string>>): Record<string, string> => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** Its address is enough, whoever it is: `satisfy: any`. */
function isKnownSource({ client, location: { settings } }: Context): boolean {
  return settings.satisfy === 'any' && settings.allow.length + settings.deny.length > 0 && sourceAllowed(client, settings);
}

const zoneOf = (location: Location): string => location.ingress;
