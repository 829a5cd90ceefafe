import { escapePath, hostOf } from './uri.ts';
import { ConfigError } from './config-parser.ts';
import { type Exchange, nginxVersion } from './exchange.ts';
import type { VariableMap } from './model.ts';
import { type Scope, configPrefix, settingValue } from './scope.ts';
import { commonLogTime, isoTime } from './log-time.ts';
import { resolvePath } from '../../fs/vfs.ts';

type Read = (exchange: Exchange) => string | undefined;

/** The file system path of the current URI by `root` or `alias`. */
export function requestFile(exchange: Exchange, uri = exchange.uri): string {
  for (const location of exchange.locations.toReversed()) {
    const alias = location.scope.byName.get('alias')?.[0]?.args[0];
    if (alias !== undefined) return `${expand(exchange, alias)}${location.regex || !uri.startsWith(location.pattern) ? '' : uri.slice(location.pattern.length)}`;
    if (location.scope.byName.has('root')) break;
  }
  return `${documentRoot(exchange).replace(/\/$/, '')}${uri}`;
}

function documentRoot(exchange: Exchange): string {
  return resolvePath(configPrefix, expand(exchange, settingValue(exchange.scope, 'root') ?? 'html'));
}

const header = (exchange: Exchange, name: string): string | undefined => exchange.request.headers[name.replaceAll('_', '-')];

const builtIn: Readonly<Record<string, Read>> = {
  args: ({ args }) => args,
  query_string: ({ args }) => args,
  is_args: ({ args }) => (args ? '?' : ''),
  body_bytes_sent: ({ bodyBytes }) => String(bodyBytes),
  bytes_sent: ({ bodyBytes }) => String(bodyBytes),
  connection: ({ connection }) => String(connection),
  connection_requests: () => '1',
  content_length: (exchange) => header(exchange, 'content_length'),
  content_type: (exchange) => header(exchange, 'content_type'),
  document_root: documentRoot,
  realpath_root: documentRoot,
  document_uri: ({ uri }) => uri,
  uri: ({ uri }) => uri,
  host: (exchange) => hostOf(exchange.request.headers['host'] ?? '') || exchange.server.names[0],
  hostname: ({ instance }) => instance.proc.host.hostname,
  https: () => '',
  limit_rate: () => '0',
  msec: ({ instance }) => (instance.proc.clock.now() / 1000).toFixed(3),
  nginx_version: () => nginxVersion,
  pid: ({ instance }) => String(instance.proc.pid),
  pipe: () => '.',
  proxy_add_x_forwarded_for: (exchange) => [header(exchange, 'x_forwarded_for'), exchange.request.remote.ip].filter(Boolean).join(', '),
  proxy_host: ({ proxyHost }) => proxyHost,
  proxy_port: ({ proxyHost }) => /:(\d+)$/.exec(proxyHost ?? '')?.[1] ?? '80',
  remote_addr: ({ request }) => request.remote.ip,
  binary_remote_addr: ({ request }) => request.remote.ip,
  realip_remote_addr: ({ request }) => request.remote.ip,
  remote_port: ({ request }) => String(request.remote.port),
  remote_user: (exchange) => {
    const [scheme, credentials = ''] = (header(exchange, 'authorization') ?? '').split(' ');
    return scheme?.toLowerCase() === 'basic' ? Buffer.from(credentials, 'base64').toString().split(':')[0] : undefined;
  },
  request: ({ request }) => `${request.method} ${request.target} HTTP/${request.version}`,
  request_filename: (exchange) => requestFile(exchange),
  request_id: ({ instance }) => Array.from({ length: 32 }, () => instance.proc.random.int(16).toString(16)).join(''),
  request_length: ({ request }) => String(request.target.length + request.headerList.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)),
  request_method: ({ request }) => request.method,
  request_time: ({ instance, startedAtMs }) => (Math.max(0, instance.proc.clock.now() - startedAtMs) / 1000).toFixed(3),
  request_uri: ({ request }) => request.target,
  scheme: () => 'http',
  server_addr: ({ request }) => request.local.ip,
  server_name: ({ server }) => server.names[0],
  server_port: ({ request }) => String(request.local.port),
  server_protocol: ({ request }) => `HTTP/${request.version}`,
  ssl_protocol: () => undefined,
  status: ({ status }) => (status === undefined ? '000' : String(status)),
  time_iso8601: ({ instance }) => isoTime(instance.proc.clock.now()),
  time_local: ({ instance }) => commonLogTime(instance.proc.clock.now()),
  upstream_addr: ({ upstreamAddress }) => upstreamAddress,
  upstream_status: ({ upstreamStatus }) => upstreamStatus,
  upstream_response_time: (exchange) => (exchange.upstreamAddress === undefined ? undefined : builtIn['request_time']?.(exchange)),
  upstream_connect_time: ({ upstreamAddress }) => (upstreamAddress === undefined ? undefined : '0.000'),
  upstream_header_time: (exchange) => builtIn['upstream_response_time']?.(exchange),
  upstream_cache_status: () => undefined,
  request_completion: () => 'OK',
  request_body: () => undefined,
  http2: () => '',
};

const families: readonly (readonly [prefix: string, read: (exchange: Exchange, rest: string) => string | undefined])[] = [
  ['arg_', ({ args }, name) => rawArgument(args, name)],
  ['upstream_http_', ({ upstreamHeaders }, name) => upstreamHeaders?.[name.replaceAll('_', '-')]],
  ['sent_http_', ({ replyHeaders }, name) => replyHeaders?.[name.replaceAll('_', '-')]],
  ['http_', header],
  ['cookie_', (exchange, name) => (header(exchange, 'cookie') ?? '').split(/;\s*/).find((cookie) => cookie.startsWith(`${name}=`))?.slice(name.length + 1)],
  ['connections_', ({ instance }, name) => String(name === 'active' ? instance.counters.active : 0)],
];

/** As sent: nginx does not decode arguments. */
function rawArgument(args: string, name: string): string | undefined {
  return args.split('&').find((pair) => pair.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1);
}

function mapped(exchange: Exchange, map: VariableMap): string {
  const input = expand(exchange, map.source);
  for (const { text, regex, value } of map.cases) {
    const match = regex?.exec(input);
    if (match) return value.replace(/\$(\d)/g, (_, index: string) => match[Number(index)] ?? '');
    if (!regex && text === input.toLowerCase()) return expand(exchange, value);
  }
  return expand(exchange, map.fallback);
}

/** The value of `$name`; undefined when it has none. */
export function variable(exchange: Exchange, name: string): string | undefined {
  if (/^\d$/.test(name)) return exchange.captures[Number(name)];
  const own = exchange.variables.get(name);
  if (own !== undefined) return own;
  const read = builtIn[name];
  if (read) return read(exchange);
  const map = exchange.instance.config.maps.get(name);
  if (map) return mapped(exchange, map);
  const family = families.find(([prefix]) => name.startsWith(prefix));
  return family?.[1](exchange, name.slice(family[0].length));
}

const reference = /\$(?:\{(\w+)\}|(\w+))/g;

/** Replaces `$name` and `${name}`; what has no value becomes `missing`. */
export function expand(exchange: Exchange, template: string, missing = ''): string {
  if (!template.includes('$')) return template;
  return template.replace(/\$(?:\{(\w+)\}|(\d)|(\w+))/g, (_, braced?: string, digit?: string, plain?: string) => variable(exchange, braced ?? digit ?? plain ?? '') ?? missing);
}

/** For `return` and redirects: like expand, with captured and current URIs escaped. */
export function expandUrl(exchange: Exchange, template: string): string {
  return template.replace(/\$(?:\{(\w+)\}|(\d)|(\w+))/g, (_, braced?: string, digit?: string, plain?: string) => {
    const name = braced ?? digit ?? plain ?? '';
    const value = variable(exchange, name) ?? '';
    return name === 'uri' || name === 'document_uri' || digit !== undefined ? escapePath(value) : value;
  });
}

const withVariables = new Set(['return', 'rewrite', 'set', 'add_header', 'proxy_pass', 'proxy_set_header', 'root', 'alias', 'try_files', 'if', 'error_page', 'proxy_redirect', 'access_log', 'log_format']);

function defined(scope: Scope): string[] {
  const names: string[] = [];
  for (const { name, args, block = [] } of scope.directives) {
    if (name === 'set' && args[0]) names.push(args[0].slice(1));
    for (const inner of block) if (inner.name === 'set' && inner.args[0]) names.push(inner.args[0].slice(1));
    for (const text of name === 'map' ? block.map((inner) => inner.name) : args) for (const match of text.matchAll(/\(\?P?<(\w+)>/g)) names.push(match[1] ?? '');
  }
  return names;
}

/** Throws ConfigError for variables that nobody sets. */
export function checkVariables(http: Scope, scopes: readonly Scope[], maps: ReadonlyMap<string, VariableMap>): void {
  const own = new Set([...maps.keys(), ...scopes.flatMap(defined), ...['geo', 'split_clients', 'auth_request_set'].flatMap((name) => (http.byName.get(name) ?? []).flatMap(({ args }) => args.map((arg) => arg.slice(1))))]);
  const known = (name: string): boolean => /^\d+$/.test(name) || own.has(name) || name in builtIn || families.some(([prefix]) => name.startsWith(prefix));
  const check = (texts: readonly string[]): void => {
    for (const text of texts) {
      for (const [, braced, plain] of text.matchAll(reference)) {
        const name = braced ?? plain ?? '';
        if (!known(name) && !/^\d/.test(name)) throw new ConfigError(`unknown "${name}" variable`);
      }
    }
  };
  for (const scope of scopes) {
    for (const { name, args, block = [] } of scope.directives) {
      if (!withVariables.has(name)) continue;
      check(name === 'rewrite' ? args.slice(1) : name === 'if' ? args.filter((arg) => !/[~(]\$?$|^\^/.test(arg)).slice(0, 1) : args);
      for (const inner of block) if (withVariables.has(inner.name)) check(inner.name === 'rewrite' ? inner.args.slice(1) : inner.args);
    }
  }
  for (const { source } of maps.values()) check([source]);
}
