import type { LocationSettings } from '../annotations/settings.ts';
import type { Location } from '../routing/table.ts';
import { hasCanary, variableOf } from './canary-maps.ts';
import { type NginxInput, hasServers, leavingHeader, upstreamFor, zoneName } from './input.ts';

function match({ matcher }: Location): string[] {
  const { type, path, regex } = matcher;
  if (regex) return [`~* "^${path}"`];
  if (type === 'Exact') return [`= "${path}"`];
  if (path.endsWith('/')) return path === '/' ? ['"/"'] : [`"${path}"`, `= "${path.slice(0, -1)}"`];
  return [`"${path}/"`, `= "${path}"`];
}

function cors({ cors: settings }: LocationSettings): string[] {
  if (!settings) return [];
  const origins = settings.origins.includes('*') ? [`set $cors_origin "*";`] : ['set $cors_origin "";', ...settings.origins.map((origin) => `if ($http_origin ~* "^${origin.replace(/[.+?^()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]+')}$") { set $cors_origin $http_origin; }`)];
  const headers = [
    'add_header Access-Control-Allow-Origin $cors_origin always;',
    ...(settings.credentials ? ['add_header Access-Control-Allow-Credentials true always;'] : []),
    `add_header Access-Control-Allow-Methods "${settings.methods}" always;`,
    `add_header Access-Control-Allow-Headers "${settings.headers}" always;`,
    ...(settings.expose ? [`add_header Access-Control-Expose-Headers "${settings.expose}" always;`] : []),
    `add_header Access-Control-Max-Age ${settings.maxAge} always;`,
  ];
  return [...origins, ...headers, `if ($request_method = OPTIONS) { ${[...headers, leavingHeader].join(' ')} return 204; }`];
}

function redirects({ settings, tls }: Location, input: NginxInput): string[] {
  const { global, httpsPort } = input;
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  const toTls = settings.forceSslRedirect || (settings.sslRedirect && tls) ? [`if ($scheme = http) { return ${global.redirectStatus} https://$host${port}$request_uri; }`] : [];
  const root = settings.appRoot ? [`if ($uri = /) { return 302 $scheme://$http_host${settings.appRoot}; }`] : [];
  return [...toTls, ...root, ...(settings.redirect ? [`return ${settings.redirect.status} ${settings.redirect.to};`] : [])];
}

function limits(location: Location): string[] {
  const { perSecond, perMinute, connections, burstMultiplier } = location.settings.limits;
  const zone = zoneName(location);
  return [
    ...(perSecond ? [`limit_req zone=${zone}_rps burst=${perSecond * burstMultiplier} nodelay;`] : []),
    ...(perMinute ? [`limit_req zone=${zone}_rpm burst=${perMinute * burstMultiplier} nodelay;`] : []),
    ...(connections ? [`limit_conn ${zone}_conn ${connections};`] : []),
  ];
}

function access(settings: LocationSettings, input: NginxInput, files: Map<string, string>): string[] {
  const lines = settings.deny.map((cidr) => `deny ${cidr};`);
  if (settings.allow.length) lines.push(...settings.allow.map((cidr) => `allow ${cidr};`), 'deny all;');
  if (settings.basicAuth) {
    const [namespace = '', name = ''] = settings.basicAuth.secret.split('/');
    const data = (input.backends.secret(namespace, name)?.data ?? {}) as Readonly<Record<string, unknown>>;
    const decode = (value: unknown): string => Buffer.from(String(value), 'base64').toString('utf8').trim();
    const text = settings.basicAuth.form === 'auth-map' ? Object.entries(data).map(([user, hash]) => `${user}:${decode(hash)}`).join('\n') : decode(data['auth'] ?? '');
    const file = `passwords/${namespace}-${name}`;
    files.set(file, `${text}\n`);
    lines.push(`auth_basic "${settings.basicAuth.realm}";`, `auth_basic_user_file ${input.dir}/${file};`);
  }
  return lines;
}

function passing(location: Location, input: NginxInput): string[] {
  const { settings, backend, matcher } = location;
  if (!hasServers(input, backend, settings)) return ['return 503;'];
  const to = hasCanary(location, input) ? `$${variableOf(location)}` : upstreamFor(backend, settings);
  const grpc = settings.backendProtocol === 'GRPC' || settings.backendProtocol === 'GRPCS';
  const kind = grpc ? 'grpc' : 'proxy';
  const scheme = { HTTP: 'http', HTTPS: 'https', GRPC: 'grpc', GRPCS: 'grpcs' }[settings.backendProtocol];
  const rewrite = settings.rewriteTarget ? [`rewrite "(?i)${matcher.regex ? '^' : ''}${matcher.path}" ${settings.rewriteTarget} break;`] : [];
  const extra = input.backends.configMap(...(input.global.setHeaders.split('/') as [string, string])) ?? {};
  const headers: Record<string, string> = {
    Host: settings.upstreamVhost || '$http_host', 'X-Request-ID': '$req_id', 'X-Real-IP': '$remote_addr', 'X-Forwarded-For': '$remote_addr', 'X-Forwarded-Host': '$http_host', 'X-Forwarded-Port': '$server_port', 'X-Forwarded-Proto': '$scheme',
    'X-Forwarded-Scheme': '$scheme', 'X-Scheme': '$scheme', 'X-Original-Forwarded-For': '$http_x_forwarded_for', Proxy: '""', ...(settings.forwardedPrefix ? { 'X-Forwarded-Prefix': settings.forwardedPrefix } : {}), ...extra,
  };
  const retry = [...settings.retry.on].join(' ') || 'off';
  return [
    ...rewrite,
    ...Object.entries(headers).map(([name, value]) => `${kind}_set_header ${name} ${value.includes(' ') ? `"${value}"` : value};`),
    ...(grpc ? [] : ['proxy_set_header Upgrade $http_upgrade;', 'proxy_set_header Connection $connection_upgrade;', 'proxy_http_version 1.1;', 'proxy_redirect off;']),
    `${kind}_connect_timeout ${settings.connectTimeoutSeconds}s;`,
    `${kind}_send_timeout ${settings.sendTimeoutSeconds}s;`,
    `${kind}_read_timeout ${settings.readTimeoutSeconds}s;`,
    `${kind}_next_upstream ${retry};`,
    `${kind}_next_upstream_tries ${settings.retry.tries};`,
    `${kind}_next_upstream_timeout ${settings.retry.timeoutSeconds}s;`,
    ...input.global.hideHeaders.map((name) => `${kind}_hide_header ${name};`),
    `${kind}_pass ${scheme}://${to};`,
  ];
}

/** The location blocks of one path. */
export function locationBody(location: Location, input: NginxInput, files: Map<string, string>): string {
  const { settings } = location;
  const { global } = input;
  const lines = [
    leavingHeader,
    ...redirects(location, input),
    `client_max_body_size ${settings.bodyLimit};`,
    `limit_req_status ${global.limitReqStatus};`,
    `limit_conn_status ${global.limitConnStatus};`,
    ...(settings.accessLog ? [] : ['access_log off;']),
    ...access(settings, input, files),
    ...limits(location),
    ...cors(settings),
    ...(settings.sticky ? [`add_header Set-Cookie $set_${settings.sticky.name};`] : []),
    ...passing(location, input),
  ];
  return match(location)
    .map((how) => [`location ${how} {`, ...lines.map((line) => `  ${line}`), '}'].join('\n'))
    .join('\n');
}
