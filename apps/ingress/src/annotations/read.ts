import type { GlobalSettings } from './global.ts';
import type { BackendProtocol, BasicAuthSettings, CanarySettings, ClientAuthSettings, CorsSettings, ExternalAuthSettings, LimitSettings, LocationSettings, StickySettings } from './settings.ts';
import { BadValue, boolean, bytes, cidrs, codes, count, header, host, list, oneOf, pattern, plain, redirectCode, seconds, url } from './values.ts';

export const prefix = 'nginx.ingress.kubernetes.io/';

/** What is said to annotations that cannot be read: `name: why`. */
export type Problem = string;

/** Reads values one by one; what is wrong is noted and counts as absent. */
class Reader {
  readonly problems: Problem[] = [];
  private readonly annotations: Readonly<Record<string, string>>;

  constructor(annotations: Readonly<Record<string, string>>) {
    this.annotations = annotations;
  }

  has(name: string): boolean {
    return this.annotations[prefix + name] !== undefined;
  }

  get<T>(name: string, otherwise: T, read: (text: string) => T): T {
    const text = this.annotations[prefix + name];
    if (text === undefined) return otherwise;
    try {
      return read(text.trim());
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      this.problems.push(`annotation ${prefix}${name} contains invalid value: ${error.message}`);
      return otherwise;
    }
  }
}

const defaultMethods = 'GET, PUT, POST, DELETE, PATCH, OPTIONS';
const defaultHeaders = 'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization';

function cors(reader: Reader): CorsSettings | undefined {
  if (!reader.get('enable-cors', false, boolean)) return undefined;
  return {
    origins: reader.get('cors-allow-origin', ['*'], (text) => list(plain(text))),
    methods: reader.get('cors-allow-methods', defaultMethods, plain),
    headers: reader.get('cors-allow-headers', defaultHeaders, plain),
    credentials: reader.get('cors-allow-credentials', true, boolean),
    maxAge: reader.get('cors-max-age', 1_728_000, count),
    expose: reader.get('cors-expose-headers', '', plain),
  };
}

function canary(reader: Reader): CanarySettings | undefined {
  if (!reader.get('canary', false, boolean)) return undefined;
  return {
    weight: reader.get('canary-weight', 0, count),
    weightTotal: reader.get('canary-weight-total', 100, count) || 100,
    header: reader.get('canary-by-header', '', header),
    headerValue: reader.get('canary-by-header-value', '', plain),
    headerPattern: reader.get<RegExp | undefined>('canary-by-header-pattern', undefined, pattern),
    cookie: reader.get('canary-by-cookie', '', plain),
  };
}

function sticky(reader: Reader): StickySettings | undefined {
  if (reader.get('affinity', '', oneOf('', 'cookie')) !== 'cookie') return undefined;
  return {
    name: reader.get('session-cookie-name', 'INGRESSCOOKIE', plain),
    mode: reader.get('affinity-mode', 'balanced', oneOf('balanced', 'persistent')),
    path: reader.get('session-cookie-path', '', plain),
    domain: reader.get('session-cookie-domain', '', plain),
    sameSite: reader.get('session-cookie-samesite', '', oneOf('', 'None', 'Lax', 'Strict')),
    maxAge: reader.get<number | undefined>('session-cookie-max-age', undefined, count),
    expires: reader.get<number | undefined>('session-cookie-expires', undefined, count),
    secure: reader.get('session-cookie-secure', false, boolean),
    changeOnFailure: reader.get('session-cookie-change-on-failure', false, boolean),
  };
}

function limits(reader: Reader): LimitSettings {
  return {
    perSecond: reader.get('limit-rps', 0, count),
    perMinute: reader.get('limit-rpm', 0, count),
    connections: reader.get('limit-connections', 0, count),
    burstMultiplier: reader.get('limit-burst-multiplier', 5, count) || 5,
    exempt: reader.get('limit-allowlist', reader.get('limit-whitelist', [], cidrs), cidrs),
  };
}

function basicAuth(reader: Reader, namespace: string): BasicAuthSettings | undefined {
  if (!reader.has('auth-type')) return undefined;
  if (reader.get('auth-type', '', oneOf('basic')) !== 'basic') return undefined;
  const secret = reader.get('auth-secret', '', plain);
  if (!secret) reader.problems.push(`annotation ${prefix}auth-secret is required by auth-type`);
  return { secret: secret.includes('/') ? secret : `${namespace}/${secret}`, form: reader.get('auth-secret-type', 'auth-file', oneOf('auth-file', 'auth-map')), realm: reader.get('auth-realm', 'Authentication Required', plain) };
}

function externalAuth(reader: Reader): ExternalAuthSettings | undefined {
  const at = reader.get('auth-url', '', url);
  if (!at) return undefined;
  return {
    url: at,
    method: reader.get('auth-method', '', oneOf('', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')) || 'GET',
    signIn: reader.get('auth-signin', '', url),
    signInParameter: reader.get('auth-signin-redirect-param', 'rd', plain),
    responseHeaders: reader.get('auth-response-headers', [], (text) => list(text).map(header)),
  };
}

function namePattern(text: string): RegExp {
  if (!text.startsWith('CN=')) throw new BadValue(`${JSON.stringify(text)} does not begin with CN=`);
  return pattern(text.slice(3));
}

function clientAuth(reader: Reader, namespace: string): ClientAuthSettings | undefined {
  const secret = reader.get('auth-tls-secret', '', plain);
  const verify = reader.get('auth-tls-verify-client', 'on', oneOf('on', 'off', 'optional', 'optional_no_ca'));
  if (!secret || verify === 'off') return undefined;
  return {
    secret: secret.includes('/') ? secret : `${namespace}/${secret}`,
    verify,
    depth: reader.get('auth-tls-verify-depth', 1, count),
    errorPage: reader.get('auth-tls-error-page', '', plain),
    pass: reader.get('auth-tls-pass-certificate-to-upstream', false, boolean),
    matchName: reader.get<RegExp | undefined>('auth-tls-match-cn', undefined, namePattern),
  };
}

function redirect(reader: Reader): LocationSettings['redirect'] {
  const temporal = reader.get('temporal-redirect', '', url);
  if (temporal) return { to: temporal, status: reader.get('temporal-redirect-code', 302, redirectCode) };
  const permanent = reader.get('permanent-redirect', '', url);
  return permanent ? { to: permanent, status: reader.get('permanent-redirect-code', 301, redirectCode) } : undefined;
}

const protocols: Readonly<Record<string, BackendProtocol>> = { HTTP: 'HTTP', AUTO_HTTP: 'HTTP', HTTPS: 'HTTPS', GRPC: 'GRPC', GRPCS: 'GRPCS' };
const refused = ['server-snippet', 'configuration-snippet', 'stream-snippet', 'auth-snippet', 'modsecurity-snippet'];

/** Reads the annotations of an Ingress in a namespace over the global settings. */
export function readAnnotations(annotations: Readonly<Record<string, string>>, namespace: string, global: GlobalSettings): { settings: LocationSettings; problems: readonly Problem[] } {
  const reader = new Reader(annotations);
  for (const name of refused) if (reader.has(name)) reader.problems.push(`annotation ${prefix}${name}: snippet annotations are disabled by the administrator`);
  const settings: LocationSettings = {
    rewriteTarget: reader.get('rewrite-target', '', plain),
    useRegex: reader.get('use-regex', false, boolean),
    appRoot: reader.get('app-root', '', url),
    sslRedirect: reader.get('ssl-redirect', global.sslRedirect, boolean),
    forceSslRedirect: reader.get('force-ssl-redirect', global.forceSslRedirect, boolean),
    preserveTrailingSlash: reader.get('preserve-trailing-slash', false, boolean),
    redirect: redirect(reader),
    fromToWww: reader.get('from-to-www-redirect', false, boolean),
    serverAlias: reader.get('server-alias', [], (text) => list(text).map(host)),
    canary: canary(reader),
    cors: cors(reader),
    limits: limits(reader),
    sticky: sticky(reader),
    hashBy: reader.get('upstream-hash-by', global.hashBy, plain),
    backendProtocol: reader.get('backend-protocol', 'HTTP', (text) => protocols[text.toUpperCase()] ?? oneOf<BackendProtocol>('HTTP', 'HTTPS', 'GRPC', 'GRPCS')(text)),
    connectTimeoutSeconds: reader.get('proxy-connect-timeout', global.connectTimeoutSeconds, seconds),
    sendTimeoutSeconds: reader.get('proxy-send-timeout', global.sendTimeoutSeconds, seconds),
    readTimeoutSeconds: reader.get('proxy-read-timeout', global.readTimeoutSeconds, seconds),
    bodyLimit: reader.get('proxy-body-size', global.bodyLimit, bytes),
    retry: {
      on: reader.get('proxy-next-upstream', global.retry.on, (text) => new Set(plain(text).split(/\s+/))),
      tries: reader.get('proxy-next-upstream-tries', global.retry.tries, count),
      timeoutSeconds: reader.get('proxy-next-upstream-timeout', global.retry.timeoutSeconds, seconds),
    },
    allow: reader.get('whitelist-source-range', reader.get('allowlist-source-range', global.allow, cidrs), cidrs),
    deny: reader.get('denylist-source-range', global.deny, cidrs),
    basicAuth: basicAuth(reader, namespace),
    externalAuth: externalAuth(reader),
    clientAuth: clientAuth(reader, namespace),
    satisfy: reader.get('satisfy', 'all', oneOf('all', 'any')),
    loadBalance: reader.get('load-balance', global.loadBalance, oneOf('round_robin', 'ewma')),
    responseHeaders: {},
    customHeaders: reader.get('custom-headers', '', plain),
    upstreamVhost: reader.get('upstream-vhost', '', plain),
    forwardedPrefix: reader.get('x-forwarded-prefix', '', plain),
    mirrorTarget: reader.get('mirror-target', '', url),
    mirrorBody: reader.get('mirror-request-body', 'on', oneOf('on', 'off')) === 'on',
    serviceUpstream: reader.get('service-upstream', global.serviceUpstream, boolean),
    defaultBackend: reader.get('default-backend', '', plain),
    customHttpErrors: reader.get('custom-http-errors', global.customHttpErrors, codes),
    accessLog: reader.get('enable-access-log', true, boolean),
    verifyBackend: reader.get('proxy-ssl-verify', 'off', oneOf('on', 'off')) === 'on',
    backendServerName: reader.get('proxy-ssl-name', '', plain),
  };
  return { settings, problems: reader.problems };
}
