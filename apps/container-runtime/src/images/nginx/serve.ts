import { NetError } from '@orrery/vnet';
import { HttpParseError } from '@orrery/http';
import { findServed } from '../../busybox/httpd.ts';
import { httpCall } from '../../net/http-client.ts';
import { type HttpReply, type HttpRequest, httpDate, reasonOf } from '../../net/http-server.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';
import { type Directive, type Location, type NginxConfig, type Server, selectLocation, selectServer, setting } from './config.ts';

const version = 'nginx/1.29.3';
const maxRedirects = 10;

interface Scope {
  readonly proc: Proc;
  readonly config: NginxConfig;
  readonly server: Server;
  readonly location: Location | undefined;
  readonly request: HttpRequest;
  readonly path: string;
}

function scopes({ location, server, config }: Scope): (readonly Directive[])[] {
  return [...(location ? [location.directives] : []), server.directives, config.http];
}

function variables(scope: Scope, text: string): string {
  const { request, path, proc } = scope;
  const [, query = ''] = request.target.split(/\?(.*)/s);
  const values: Readonly<Record<string, string>> = {
    uri: path, document_uri: path, request_uri: request.target, args: query, query_string: query, is_args: query ? '?' : '', host: (request.headers['host'] ?? '').replace(/:\d+$/, '') || 'localhost', http_host: request.headers['host'] ?? '',
    remote_addr: request.remote.ip, remote_port: String(request.remote.port), server_addr: request.local.ip, server_port: String(request.local.port), scheme: 'http', request_method: request.method, hostname: proc.host.hostname, server_name: scope.server.names[0] ?? '', nginx_version: version.slice(6), proxy_add_x_forwarded_for: [request.headers['x-forwarded-for'], request.remote.ip].filter(Boolean).join(', '), msec: String(proc.clock.now() / 1000), proxy_host: '', server_protocol: 'HTTP/1.1', connection_upgrade: 'close',
  };
  const set = new Map(scopes(scope).flat().filter((d) => d.name === 'set').map((d) => [(d.args[0] ?? '').slice(1), d.args[1] ?? '']));
  return text.replace(/\$\{?(\w+)\}?/g, (all, name: string) => {
    if (values[name] !== undefined) return values[name];
    if (set.has(name)) return set.get(name) ?? '';
    if (name.startsWith('http_')) return request.headers[name.slice(5).replaceAll('_', '-')] ?? '';
    if (name.startsWith('arg_')) return request.query.get(name.slice(4)) ?? '';
    return /^\d$/.test(name) && scope.location?.modifier.startsWith('~') ? (new RegExp(scope.location.path, scope.location.modifier === '~*' ? 'i' : '').exec(path)?.[Number(name)] ?? '') : all.startsWith('${') ? '' : all;
  });
}

function errorPage(status: number): HttpReply {
  const title = `${status} ${status === 302 ? 'Found' : reasonOf(status)}`;
  return { status, headers: [['Content-Type', 'text/html']], body: `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>${version}</center>\r\n</body>\r\n</html>\r\n` };
}

function mimeType(scope: Scope, file: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(file)?.[1]?.toLowerCase() ?? '';
  const types = scopes(scope).flat().filter((d) => d.name === 'types').flatMap((d) => d.block ?? []);
  return types.find((type) => type.args.includes(extension))?.name ?? setting(scopes(scope), 'default_type')?.[0] ?? 'text/plain';
}

function etagOf(mtimeMs: number, size: number): string {
  return `"${Math.floor(mtimeMs / 1000).toString(16)}-${size.toString(16)}"`;
}

function sendFile(scope: Scope, file: string): HttpReply {
  const { proc, request } = scope;
  const stat = proc.fs.stat(file);
  const etag = etagOf(stat.mtimeMs, stat.size);
  const headers: [string, string][] = [['Content-Type', variables(scope, mimeType(scope, file))], ['Last-Modified', httpDate(stat.mtimeMs)], ['ETag', etag], ['Accept-Ranges', 'bytes']];
  if (request.headers['if-none-match'] === etag || request.headers['if-modified-since'] === httpDate(stat.mtimeMs)) return { status: 304, headers };
  const bytes = proc.fs.readFile(file);
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers['range'] ?? '');
  if (!range || (range[1] === '' && range[2] === '')) return { status: 200, headers, body: bytes };
  const start = range[1] ? Number(range[1]) : Math.max(0, bytes.length - Number(range[2]));
  const end = range[1] && range[2] ? Math.min(Number(range[2]), bytes.length - 1) : bytes.length - 1;
  if (start > end) return { ...errorPage(416), headers: [['Content-Range', `bytes */${bytes.length}`], ['Content-Type', 'text/html']] };
  return { status: 206, headers: [...headers, ['Content-Range', `bytes ${start}-${end}/${bytes.length}`]], body: bytes.subarray(start, end + 1) };
}

function autoindex(scope: Scope, directory: string): HttpReply {
  const names = scope.proc.fs.list(directory).map((name) => (scope.proc.fs.isDirectory(`${directory}/${name}`) ? `${name}/` : name));
  const title = `Index of ${scope.path}`;
  const rows = ['../', ...names].map((name) => `<a href="${encodeURI(name)}">${name}</a>\n`).join('');
  return { status: 200, headers: [['Content-Type', 'text/html']], body: `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<h1>${title}</h1><hr><pre>${rows}</pre><hr></body>\r\n</html>\r\n` };
}

async function serveStatic(scope: Scope): Promise<HttpReply> {
  const { proc, request, path, location } = scope;
  if (request.method !== 'GET' && request.method !== 'HEAD') return errorPage(405);
  const alias = setting(location ? [location.directives] : [], 'alias')?.[0];
  const root = alias ?? variables(scope, setting(scopes(scope), 'root')?.[0] ?? '/etc/nginx/html');
  const relative = alias !== undefined ? `/${path.slice(location?.path.length ?? 0)}` : path;
  const index = setting(scopes(scope), 'index') ?? ['index.html'];
  const found = findServed(proc, proc.path(root), { path: relative, index: index.map((name) => name.replace(/^\//, '')) });
  if ('file' in found) return sendFile(scope, found.file);
  if (found.status === 301) return { ...errorPage(301), headers: [['Location', `http://${request.headers['host'] ?? 'localhost'}${path}/`], ['Content-Type', 'text/html']] };
  if (found.directory && setting(scopes(scope), 'autoindex')?.[0] === 'on') return autoindex(scope, found.directory);
  const why = found.status === 404 ? `open() "${root}${relative}" failed (2: No such file or directory)` : found.directory ? `directory index of "${found.directory}/" is forbidden` : `open() "${root}${relative}" failed (13: Permission denied)`;
  await errorLog(proc, `${why}, client: ${request.remote.ip}, server: ${scope.server.names[0] ?? ''}, request: "${request.method} ${request.target} HTTP/1.1", host: "${request.headers['host'] ?? ''}"`);
  return errorPage(found.status);
}

async function errorLog(proc: Proc, message: string): Promise<void> {
  const time = new Date(proc.clock.now()).toISOString();
  await proc.err(`${time.slice(0, 10).replaceAll('-', '/')} ${time.slice(11, 19)} [error] ${proc.pid}#${proc.pid}: ${message}\n`);
}

let roundRobin = 0;

async function proxy(scope: Scope, target: string): Promise<HttpReply> {
  const { proc, request, location, path, config } = scope;
  const filled = variables(scope, target);
  const url = URL.parse(filled);
  if (!url) return errorPage(500);
  const upstream = config.upstreams.get(url.hostname);
  const chosen = upstream?.[roundRobin++ % Math.max(1, upstream.length)];
  const dialled = chosen ? (URL.parse(`http://${chosen}`) ?? url) : url;
  const hasUri = /^https?:\/\/[^/]+\//.test(filled);
  const [, query] = request.target.split(/\?(.*)/s);
  const suffix = query === undefined ? '' : `?${query}`;
  const forwarded = hasUri ? url.pathname + path.slice(location?.modifier === '' ? location.path.length : path.length) + suffix : request.target;
  const hop = new Set(['connection', 'host', 'keep-alive', 'transfer-encoding', 'content-length', 'upgrade', 'expect']);
  const extra = scopes(scope).flat().filter((d) => d.name === 'proxy_set_header').map((d): [string, string] => [d.args[0] ?? '', variables(scope, d.args[1] ?? '')]).filter(([name]) => !hop.has(name.toLowerCase()) || name.toLowerCase() === 'host');
  const host = extra.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? url.host;
  const replaced = new Set(extra.map(([name]) => name.toLowerCase()));
  const headers: [string, string][] = [['Host', host], ...request.headerList.filter(([name]) => !hop.has(name.toLowerCase()) && !replaced.has(name.toLowerCase())).map(([n, v]): [string, string] => [n, v]), ...extra.filter(([name]) => name.toLowerCase() !== 'host')];
  try {
    const body = await request.body();
    const reply = await httpCall(proc, { url: new URL(forwarded, dialled), method: request.method, headers, ...(body.length ? { body } : {}), timeoutMs: 60_000 });
    const passed = reply.headers.filter(([name]) => !['connection', 'transfer-encoding', 'server', 'date', 'keep-alive'].includes(name.toLowerCase()));
    return { status: reply.status, headers: passed, body: reply.body };
  } catch (error) {
    if (!(error instanceof NetError || error instanceof ResolveError || error instanceof HttpParseError)) throw error;
    const timedOut = error instanceof NetError && error.code === 'ETIMEDOUT';
    const why = error instanceof ResolveError ? `${url.hostname} could not be resolved` : error instanceof NetError && error.code === 'ECONNREFUSED' ? 'connect() failed (111: Connection refused) while connecting to upstream' : error.message;
    await errorLog(proc, `${why}, client: ${request.remote.ip}, request: "${request.method} ${request.target} HTTP/1.1", upstream: "${dialled.origin}${forwarded}"`);
    return errorPage(timedOut ? 504 : 502);
  }
}

function returned(scope: Scope, args: readonly string[]): HttpReply {
  const [first = '', second] = args;
  const status = /^\d{3}$/.test(first) ? Number(first) : 302;
  const text = variables(scope, /^\d{3}$/.test(first) ? (second ?? '') : first);
  if (status >= 300 && status < 400 && text) return { ...errorPage(status), headers: [['Location', text.startsWith('/') ? `http://${scope.request.headers['host'] ?? 'localhost'}${text}` : text], ['Content-Type', 'text/html']] };
  if (second === undefined && status >= 400) return errorPage(status);
  return { status, headers: [['Content-Type', setting(scopes(scope), 'default_type')?.[0] ?? 'text/plain']], body: text };
}

async function tryFiles(scope: Scope, args: readonly string[]): Promise<HttpReply | { redirect: string }> {
  const root = variables(scope, setting(scopes(scope), 'root')?.[0] ?? '/etc/nginx/html').replace(/\/$/, '');
  for (const candidate of args.slice(0, -1)) {
    const path = variables(scope, candidate);
    const stat = scope.proc.fs.tryStat(scope.proc.path(root + path));
    if (stat && (path.endsWith('/') ? stat.kind === 'directory' : stat.kind === 'file')) return serveStatic({ ...scope, path });
  }
  const last = variables(scope, args.at(-1) ?? '=404');
  return last.startsWith('=') ? errorPage(Number(last.slice(1))) : { redirect: last };
}

function rewritten(scope: Scope): { path: string } | HttpReply | undefined {
  for (const { args } of scopes(scope).slice(0, scope.location ? 2 : 1).flat().filter((d) => d.name === 'rewrite')) {
    const [pattern = '', replacement = '', flag] = args;
    const found = new RegExp(pattern).exec(scope.path);
    if (!found) continue;
    const target = variables(scope, replacement.replace(/\$(\d)/g, (_, n: string) => found[Number(n)] ?? ''));
    if (flag === 'permanent' || flag === 'redirect' || /^https?:/.test(target)) return returned(scope, [flag === 'permanent' ? '301' : '302', target]);
    return { path: target };
  }
  return undefined;
}

async function handle(scope: Scope): Promise<HttpReply | { redirect: string }> {
  const own = scope.location?.directives ?? [];
  const deny = setting([own], 'deny')?.[0];
  if (deny === 'all' && !own.some((d) => d.name === 'allow' && (d.args[0] === 'all' || d.args[0] === scope.request.remote.ip || (d.args[0] === '127.0.0.1' && scope.request.remote.ip === '127.0.0.1')))) return errorPage(403);
  const direct = setting([own, scope.server.directives], 'return');
  if (direct) return returned(scope, direct);
  const pass = setting([own], 'proxy_pass')?.[0];
  if (pass) return proxy(scope, pass);
  if (own.some((d) => d.name === 'stub_status')) return { status: 200, headers: [['Content-Type', 'text/plain']], body: 'Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n' };
  const files = setting([own, scope.server.directives], 'try_files');
  return files ? tryFiles(scope, files) : serveStatic(scope);
}

/** Answers one request by the configuration. */
export async function respond(proc: Proc, config: NginxConfig, request: HttpRequest): Promise<HttpReply> {
  const server = selectServer(config, request.local.port, request.headers['host'] ?? '');
  if (!server) return errorPage(404);
  let path = request.path;
  for (let hop = 0; hop < maxRedirects; hop++) {
    const scope: Scope = { proc, config, server, location: selectLocation(server, path), request, path };
    const rewrite = rewritten(scope);
    if (rewrite && 'path' in rewrite && rewrite.path !== path) {
      path = rewrite.path;
      continue;
    }
    const outcome = rewrite && 'status' in rewrite ? rewrite : await handle(scope);
    if ('redirect' in outcome) {
      path = outcome.redirect;
      continue;
    }
    return finish(scope, outcome);
  }
  return errorPage(500);
}

async function finish(scope: Scope, reply: HttpReply): Promise<HttpReply> {
  const added = (scopes(scope).find((scope_) => scope_.some((d) => d.name === 'add_header')) ?? []).filter((d) => d.name === 'add_header').map((d): [string, string] => [d.args[0] ?? '', variables(scope, d.args[1] ?? '')]);
  const page = scopes(scope).flat().find((d) => d.name === 'error_page' && d.args.slice(0, -1).includes(String(reply.status)))?.args.at(-1);
  let final = reply;
  if (page?.startsWith('/')) {
    const target: Scope = { ...scope, path: page, location: selectLocation(scope.server, page) };
    const replaced = await serveStatic(target);
    if (replaced.status === 200) final = { ...replaced, status: reply.status };
  }
  return { ...final, headers: [['Server', version], ...(final.headers ?? []), ...(final.status < 400 ? added : [])] };
}

