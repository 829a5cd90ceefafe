import { cidrContains, parseCidr, parseIp } from '@orrery/vnet';
import type { HttpReply, HttpRequest } from '../../net/http-server.ts';
import type { Directive } from './config-parser.ts';
import type { Exchange, Instance } from './exchange.ts';
import { findLocation, findServer } from './locate.ts';
import { requestLog } from './logs.ts';
import { type Content, pageContent } from './pages.ts';
import { proxyContent, proxyDirective } from './proxy.ts';
import { finish } from './reply.ts';
import { type Rewritten, absolute, runRewrites } from './rewrite.ts';
import { type Scope, setting, settingFlag, sizeOf } from './scope.ts';
import { type Outcome, staticContent, tryFiles } from './static-content.ts';
import { escapePath, normalizeUri } from './uri.ts';
import { expand } from './variables.ts';

const maxRedirects = 10;
const defaultBodyBytes = 1024 * 1024;
const rewriteNames = new Set(['set', 'if', 'rewrite', 'return', 'break']);
const otherGateways = ['fastcgi_pass', 'uwsgi_pass', 'scgi_pass', 'grpc_pass'];

const rewritesOf = (scope: Scope): Directive[] => scope.directives.filter(({ name }) => rewriteNames.has(name));

function matchesRule(rule: string, ip: string): boolean {
  if (rule === 'all') return true;
  const parsed = parseIp(ip);
  if (!parsed || rule === 'unix:') return false;
  const width = rule.includes(':') ? 128 : 32;
  return cidrContains(parseCidr(rule.includes('/') ? rule : `${rule}/${width}`), parsed);
}

function denied(exchange: Exchange, rules: readonly Directive[]): boolean {
  const rule = rules.find(({ args }) => matchesRule(args[0] ?? '', exchange.request.remote.ip));
  if (rule?.name !== 'deny') return false;
  requestLog(exchange, 'error', 'access forbidden by rule');
  return true;
}

function accessRules(scope: Scope): readonly Directive[] {
  for (let at: Scope | undefined = scope; at; at = at.parent) {
    const own = at.directives.filter(({ name }) => name === 'allow' || name === 'deny');
    if (own.length) return own;
  }
  return [];
}

function refused(exchange: Exchange): number | undefined {
  const { scope, method, request } = exchange;
  if (denied(exchange, accessRules(scope))) return 403;
  const limited = scope.byName.get('limit_except')?.[0];
  const allowed = limited?.args.map((arg) => arg.toUpperCase()) ?? [];
  if (limited && !allowed.includes(method) && !(method === 'HEAD' && allowed.includes('GET')) && denied(exchange, limited.block ?? [])) return 403;
  const limit = sizeOf(setting(scope, 'client_max_body_size')[0], defaultBodyBytes);
  const length = Number(request.headers['content-length'] ?? 0);
  if (!limit || length <= limit) return undefined;
  requestLog(exchange, 'error', `client intended to send too large body: ${length} bytes`);
  return 413;
}

function stubStatus({ instance: { counters } }: Exchange): Content {
  const { accepted, requests, active } = counters;
  return { status: 200, type: 'text/plain', body: Buffer.from(`Active connections: ${active} \nserver accepts handled requests\n ${accepted} ${accepted} ${requests} \nReading: 0 Writing: 1 Waiting: ${Math.max(0, active - 1)} \n`) };
}

async function content(exchange: Exchange): Promise<Outcome> {
  const status = refused(exchange);
  if (status !== undefined) return { error: status };
  const files = exchange.scope.byName.get('try_files')?.[0] ?? (exchange.locations.length ? undefined : setting(exchange.scope, 'try_files')[0]);
  const found = files && tryFiles(exchange, files.args);
  if (found) return found;
  const pass = proxyDirective(exchange);
  if (pass) return proxyContent(exchange, pass);
  const gateway = otherGateways.find((name) => exchange.scope.byName.has(name));
  if (gateway) {
    requestLog(exchange, 'error', `"${gateway}" reaches no server in this emulation while connecting to upstream`);
    return { error: 502 };
  }
  if (exchange.scope.byName.has('stub_status')) return { content: stubStatus(exchange) };
  return staticContent(exchange);
}

const isFinal = (rewritten: Rewritten): rewritten is { readonly reply: Content } | { readonly error: number } => typeof rewritten === 'object';

const asOutcome = (final: { readonly reply: Content } | { readonly error: number }): Outcome => ('reply' in final ? { content: final.reply } : { error: final.error });

/** `/dir` where only a proxied `/dir/` is configured is sent there. */
function slashRedirect(exchange: Exchange): Outcome | undefined {
  const wanted = `${exchange.uri}/`;
  const target = exchange.server.locations.find(({ kind, pattern, scope }) => (kind === '' || kind === '^~') && pattern === wanted && scope.byName.has('proxy_pass'));
  return target && { error: 301, location: absolute(exchange, `${escapePath(wanted)}${exchange.args ? `?${exchange.args}` : ''}`) };
}

async function serveUri(exchange: Exchange): Promise<Outcome> {
  for (let cycle = 0; cycle < maxRedirects; cycle++) {
    const { chain, captures, named } = findLocation(exchange.server.locations, exchange.uri);
    exchange.locations = chain;
    exchange.scope = chain.at(-1)?.scope ?? exchange.server.scope;
    if (captures) exchange.captures = captures;
    for (const [name, value] of Object.entries(named ?? {})) exchange.variables.set(name, value ?? '');
    if (chain.at(-1)?.kind !== '=') {
      const moved = slashRedirect(exchange);
      if (moved) return moved;
    }
    if (exchange.scope.kind === 'l' && exchange.scope.byName.has('internal') && !exchange.internal) return { error: 404 };
    const rewritten = chain.length ? runRewrites(exchange, rewritesOf(exchange.scope)) : undefined;
    if (isFinal(rewritten)) return asOutcome(rewritten);
    if (rewritten !== 'again') return content(exchange);
    exchange.rewritten = true;
  }
  requestLog(exchange, 'error', `rewrite or internal redirection cycle while processing "${exchange.uri}"`);
  return { error: 500 };
}

async function serveNamed(exchange: Exchange, name: string): Promise<Outcome> {
  const location = exchange.server.locations.find(({ kind, pattern }) => kind === '@' && pattern === name);
  if (!location) {
    requestLog(exchange, 'error', `could not find named location "@${name}"`);
    return { error: 500 };
  }
  exchange.locations = [location];
  exchange.scope = location.scope;
  const rewritten = runRewrites(exchange, rewritesOf(location.scope));
  if (isFinal(rewritten)) return asOutcome(rewritten);
  return rewritten === 'again' ? serveUri(exchange) : content(exchange);
}

/** What error_page says of a status: where to go on, or undefined for the built-in page. */
function errorPage(exchange: Exchange, status: number): Outcome | undefined {
  if (exchange.errorStatus !== undefined && !settingFlag(exchange.scope, 'recursive_error_pages', false)) return undefined;
  const rule = setting(exchange.scope, 'error_page').find(({ args }) => args.slice(0, -1).includes(String(status)));
  if (!rule) return undefined;
  const override = rule.args.find((arg) => /^=\d*$/.test(arg));
  exchange.errorStatus = override === undefined ? status : override === '=' ? null : Number(override.slice(1));
  const target = expand(exchange, rule.args.at(-1) ?? '');
  if (target.startsWith('@')) return { named: target.slice(1) };
  if (target.startsWith('/')) {
    if (exchange.method !== 'HEAD') exchange.method = 'GET';
    const [uri = '', args = ''] = target.split(/\?(.*)/s);
    return { uri, args };
  }
  const code = exchange.errorStatus !== null && exchange.errorStatus >= 301 && exchange.errorStatus <= 308 ? exchange.errorStatus : 302;
  exchange.errorStatus = null;
  return { content: pageContent(code, { tokens: settingFlag(exchange.scope, 'server_tokens', true), location: target }) };
}

async function run(exchange: Exchange, first: Outcome): Promise<Content> {
  let outcome = first;
  for (;;) {
    if ('content' in outcome) return outcome.content;
    if ('error' in outcome) {
      const next = outcome.location === undefined ? errorPage(exchange, outcome.error) : undefined;
      if (!next) {
        const tokens = settingFlag(exchange.scope, 'server_tokens', true);
        return pageContent(outcome.error, { tokens, ...(outcome.location === undefined ? {} : { location: outcome.location }) });
      }
      outcome = next;
      continue;
    }
    if (++exchange.redirects > maxRedirects) {
      requestLog(exchange, 'error', `rewrite or internal redirection cycle while internally redirecting to "${'uri' in outcome ? outcome.uri : `@${outcome.named}`}"`);
      exchange.errorStatus = 500;
      outcome = { error: 500 };
      continue;
    }
    exchange.internal = true;
    if ('named' in outcome) {
      outcome = await serveNamed(exchange, outcome.named);
      continue;
    }
    exchange.uri = outcome.uri;
    exchange.args = outcome.args ?? '';
    exchange.rewritten = true;
    outcome = await serveUri(exchange);
  }
}

/** Answers one request by the configuration. */
export async function respond(instance: Instance, request: HttpRequest, connection: number): Promise<HttpReply> {
  const { config, proc } = instance;
  const found = findServer(config, { address: request.local, host: request.headers['host'] ?? '' });
  if (!found) return { status: 404 };
  instance.counters.requests++;
  const [, args = ''] = request.target.split(/\?(.*)/s);
  const uri = normalizeUri(request.path);
  const exchange: Exchange = {
    instance, request, connection, server: found.server, startedAtMs: proc.clock.now(), uri: uri ?? request.path, args, method: request.method,
    scope: found.server.scope, locations: [], variables: new Map(), captures: found.captures, internal: false, rewritten: false, redirects: 0, bodyBytes: 0,
  };
  if (uri === undefined || (request.version === '1.1' && request.headers['host'] === undefined)) return finish(exchange, await run(exchange, { error: 400 }));
  const rewritten = runRewrites(exchange, rewritesOf(exchange.scope));
  if (rewritten === 'again') exchange.rewritten = true;
  return finish(exchange, await run(exchange, isFinal(rewritten) ? asOutcome(rewritten) : await serveUri(exchange)));
}
