import { HttpParseError, type HeaderList, headerMap, proxyUpgrade, upgradeProtocol } from '@orrery/http';
import { type Conn, NetError, formatEndpoint, parseIp } from '@orrery/vnet';
import { httpCall } from '../../net/http-client.ts';
import { ResolveError } from '../../net/resolver.ts';
import { ConfigError, type Directive } from './config-parser.ts';
import type { Exchange } from './exchange.ts';
import { requestLog } from './logs.ts';
import type { NginxConfig, Upstream } from './model.ts';
import type { Content } from './pages.ts';
import { setting, settingFlag, timeOf } from './scope.ts';
import type { Outcome } from './static-content.ts';
import { expand } from './variables.ts';

interface Target {
  readonly scheme: string;
  /** `host` or `host:port` as written: the default Host header. */
  readonly authority: string;
  readonly host: string;
  readonly port: number;
  /** The URI part when there is one: it replaces the location's prefix. */
  readonly uri: string | undefined;
}

/** Parses the argument of proxy_pass. Throws ConfigError. */
export function parseTarget(text: string, at?: Directive): Target {
  const match = /^(https?):\/\/(\[[^\]]+\]|[^/:?]+)(?::(\d+))?([/?].*)?$/s.exec(text);
  if (!match) throw new ConfigError(/^https?:\/\//.test(text) ? `invalid host in upstream "${text.replace(/^https?:\/\//, '')}"` : 'invalid URL prefix', at);
  const [, scheme = 'http', host = '', port, uri] = match;
  return { scheme, authority: `${host}${port === undefined ? '' : `:${port}`}`, host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? (scheme === 'https' ? 443 : 80)), uri };
}

/** Names that must have an address before nginx starts: those of proxy_pass without variables and of upstreams. */
export function namesToResolve(config: NginxConfig, directives: readonly Directive[]): { host: string; at: Directive }[] {
  const direct = directives.filter(({ args }) => !args[0]?.includes('$')).map((at) => ({ target: parseTarget(at.args[0] ?? '', at), at }));
  const fromProxy = direct.filter(({ target }) => !config.upstreams.has(target.authority)).map(({ target, at }) => ({ host: target.host, at }));
  const fromUpstreams = [...config.upstreams.values()].flatMap(({ servers }) => servers.map(({ host, at }) => ({ host, at })));
  return [...fromProxy, ...fromUpstreams].filter(({ host }) => !parseIp(host));
}

interface Peer {
  readonly host: string;
  readonly port: number;
}

/** Peers in the order they are tried: by turn or by hash, back-ups last. */
function peersOf(exchange: Exchange, upstream: Upstream): Peer[] {
  const usable = upstream.servers.filter(({ down, backup }) => !down && !backup).flatMap((server) => Array.from({ length: server.weight }, () => server));
  const { turns } = exchange.instance;
  const key = upstream.hashKey === undefined ? undefined : expand(exchange, upstream.hashKey);
  const turn = key === undefined ? (turns.get(upstream.name) ?? 0) : [...key].reduce((hash, c) => (hash * 31 + c.charCodeAt(0)) >>> 0, 7);
  if (key === undefined) turns.set(upstream.name, turn + 1);
  const ordered = usable.map((_, i) => usable[(turn + i) % usable.length] as (typeof usable)[number]);
  return [...new Set([...ordered, ...upstream.servers.filter(({ backup, down }) => backup && !down)])];
}

function requestHeaders(exchange: Exchange, target: Target): [string, string][] {
  const set = setting(exchange.scope, 'proxy_set_header').map(({ args }): [string, string] => [args[0] ?? '', expand(exchange, args[1] ?? '')]);
  const replaced = new Set(set.map(([name]) => name.toLowerCase()));
  const dropped = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'te', 'upgrade', 'expect']);
  const own: [string, string][] = replaced.has('host') ? [] : [['Host', target.authority]];
  const passed = settingFlag(exchange.scope, 'proxy_pass_request_headers', true) ? exchange.request.headerList : [];
  const kept = passed.filter(([name]) => !dropped.has(name.toLowerCase()) && !replaced.has(name.toLowerCase())).map(([name, value]): [string, string] => [name, value]);
  return [...own, ...set.filter(([, value]) => value !== ''), ...kept];
}

/** Path and query for the upstream. */
function targetUri(exchange: Exchange, target: Target, hasVariables: boolean): string {
  const query = exchange.args ? `?${exchange.args}` : '';
    if (target.uri === undefined) return exchange.rewritten ? `${encodeURI(exchange.uri)}${query}` : exchange.request.target;
  if (hasVariables) return target.uri;
  const location = exchange.locations.at(-1);
  const rest = location && !location.regex && exchange.uri.startsWith(location.pattern) ? exchange.uri.slice(location.pattern.length) : '';
  return `${target.uri}${encodeURI(rest)}${query}`;
}

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date', 'server', 'content-type', 'last-modified', 'x-accel-redirect', 'x-accel-expires', 'x-accel-charset', 'x-accel-buffering', 'x-accel-limit-rate', 'x-pad']);

function redirected(exchange: Exchange, location: string, target: Target): string {
  const rules = setting(exchange.scope, 'proxy_redirect');
  if (rules[0]?.args[0] === 'off') return location;
  const prefix = exchange.locations.at(-1)?.pattern ?? '/';
  const implied: [string, string][] = target.uri === undefined ? [] : [[`${target.scheme}://${target.authority}${target.uri}`, prefix]];
  const explicit = rules.filter(({ args }) => args.length === 2).map(({ args }): [string, string] => [expand(exchange, args[0] ?? ''), expand(exchange, args[1] ?? '')]);
  for (const [from, to] of explicit.length ? explicit : implied) if (location.startsWith(from)) return `${to}${location.slice(from.length)}`;
  return location;
}

/** An upgrade is passed on when proxy_set_header passes Upgrade and Connection on, as nginx wants it told. */
function passesUpgrade(exchange: Exchange, headers: HeaderList): boolean {
  return upgradeProtocol({ method: exchange.method, url: exchange.request.target, headers: headerMap(headers) }) !== undefined;
}

async function dial(exchange: Exchange, peer: Peer, timeoutMs: number): Promise<{ conn: Conn; address: string }> {
  const { proc } = exchange.instance;
  const [ip = ''] = await proc.net.lookup(peer.host);
  return { conn: await proc.net.dial({ ip, port: peer.port }, { timeoutMs }), address: formatEndpoint({ ip, port: peer.port }) };
}

interface Attempt {
  readonly peer: Peer;
  readonly target: Target;
  readonly path: string;
  readonly headers: [string, string][];
  readonly body: Buffer;
}

async function attempt(exchange: Exchange, { peer, target, path, headers, body }: Attempt): Promise<Content> {
  const { proc } = exchange.instance;
  const connectMs = timeOf(setting(exchange.scope, 'proxy_connect_timeout')[0], 60_000);
  const readMs = timeOf(setting(exchange.scope, 'proxy_read_timeout')[0], 60_000);
  const note = (ip: string, port: number): void => void (exchange.upstreamAddress = [exchange.upstreamAddress, formatEndpoint({ ip, port })].filter(Boolean).join(', '));
  if (passesUpgrade(exchange, headers)) {
    const { conn, address } = await dial(exchange, peer, connectMs);
    exchange.upstreamAddress = address;
    const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? target.authority;
    return { status: 101, body: new Uint8Array(), takeOver: async (client) => void (await proxyUpgrade({ request: { method: exchange.method, url: path, headers: headerMap(headers) }, client, backend: conn, host })) };
  }
  const url = new URL(`http://${target.host.includes(':') ? `[${target.host}]` : target.host}/`);
  const addresses = await proc.net.lookup(peer.host);
  const [ip = ''] = addresses;
  const sent = headers.filter(([name]) => name.toLowerCase() !== 'connection');
  const call = { url, target: path, method: exchange.method, headers: sent, timeoutMs: Math.max(connectMs, readMs), address: { ip, port: peer.port }, onAddress: note, ...(body.length ? { body } : {}) };
  const reply = await httpCall(proc, call);
  exchange.upstreamStatus = [exchange.upstreamStatus, String(reply.status)].filter(Boolean).join(', ');
  const map = headerMap(reply.headers);
  exchange.upstreamHeaders = map;
  const hidden = new Set(setting(exchange.scope, 'proxy_hide_header').map(({ args }) => (args[0] ?? '').toLowerCase()));
  const passed = reply.headers.filter(([name]) => !hopByHop.has(name.toLowerCase()) && !hidden.has(name.toLowerCase()) && name.toLowerCase() !== 'location');
  const location = map['location'];
  const length = map['content-length'];
  return {
    status: reply.status,
    body: reply.body,
    headers: [...(map['last-modified'] ? [['Last-Modified', map['last-modified']] as [string, string]] : []), ...passed],
    ...(map['content-type'] ? { type: map['content-type'] } : {}),
    ...(length === undefined ? {} : { length: Number(length) }),
    ...(location === undefined ? {} : { location: redirected(exchange, location, target) }),
  };
}

function failureText(error: unknown): { status: 502 | 504; text: string } {
  if (error instanceof NetError && error.code === 'ETIMEDOUT') return { status: 504, text: 'upstream timed out (110: Operation timed out) while connecting to upstream' };
  if (error instanceof NetError && error.code === 'ECONNREFUSED') return { status: 502, text: 'connect() failed (111: Connection refused) while connecting to upstream' };
  if (error instanceof NetError && error.code === 'EHOSTUNREACH') return { status: 502, text: 'connect() failed (113: Host is unreachable) while connecting to upstream' };
  if (error instanceof NetError) return { status: 502, text: 'recv() failed (104: Connection reset by peer) while reading response header from upstream' };
  return { status: 502, text: 'upstream prematurely closed connection while reading response header from upstream' };
}

/** Passes the request on to an upstream; peers that do not answer are passed over. */
export async function proxyContent(exchange: Exchange, directive: Directive): Promise<Outcome> {
  const { instance, request } = exchange;
  const written = directive.args[0] ?? '';
  const target = parseTarget(expand(exchange, written));
  exchange.proxyHost = target.authority;
  if (target.scheme === 'https') {
    requestLog(exchange, 'error', 'upstreams over TLS are not reached by this emulation while connecting to upstream');
    return { error: 502 };
  }
  const upstream = instance.config.upstreams.get(target.authority);
  const peers: readonly Peer[] = upstream ? peersOf(exchange, upstream) : [target];
  const path = targetUri(exchange, target, written.includes('$'));
  const body = await request.body();
  const prepared = { target, path, headers: requestHeaders(exchange, target), body };
  let status: 502 | 504 = 502;
  for (const peer of peers) {
    try {
      const content = await attempt(exchange, { ...prepared, peer });
      if (content.status >= 300 && settingFlag(exchange.scope, 'proxy_intercept_errors', false) && setting(exchange.scope, 'error_page').some(({ args }) => args.includes(String(content.status)))) {
        return { error: content.status };
      }
      return { content };
    } catch (error) {
      if (error instanceof ResolveError) requestLog(exchange, 'error', `${peer.host} could not be resolved (${error.kind === 'not found' ? '3: Host not found' : '110: Operation timed out'})`);
      else if (error instanceof NetError || error instanceof HttpParseError) {
        const failure = failureText(error);
        status = failure.status;
        requestLog(exchange, 'error', failure.text, `http://${exchange.upstreamAddress?.split(', ').at(-1) ?? target.authority}${path}`);
      } else throw error;
    }
  }
  if (upstream && peers.length > 1) requestLog(exchange, 'error', 'no live upstreams while connecting to upstream', `http://${upstream.name}${path}`);
  return { error: status };
}

/** Whether a location answers by an upstream. */
export function proxyDirective(exchange: Exchange): Directive | undefined {
  return exchange.scope.byName.get('proxy_pass')?.[0] ?? (exchange.scope.kind === 'i' ? exchange.scope.parent?.byName.get('proxy_pass')?.[0] : undefined);
}
