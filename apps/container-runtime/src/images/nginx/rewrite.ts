import type { FsError } from '../../fs/fs-error.ts';
import { resolvePath } from '../../fs/vfs.ts';
import type { Directive } from './config-parser.ts';
import type { Exchange } from './exchange.ts';
import { type Content, pageContent } from './pages.ts';
import { compileRegex } from './model.ts';
import { type Scope, configPrefix, settingFlag } from './scope.ts';
import { escapePath } from './uri.ts';
import { expand, expandUrl, variable } from './variables.ts';

/** What rewrite directives decide: a reply, a new search for the location, or go on here. */
export type Rewritten = { readonly reply: Content } | { readonly error: number } | 'again' | 'break' | undefined;

const redirects = new Set([301, 302, 303, 307, 308]);

/** A Location value; relative ones are made absolute with the request's host unless absolute_redirect is off. */
export function absolute(exchange: Exchange, url: string): string {
  if (!url.startsWith('/') || !settingFlag(exchange.scope, 'absolute_redirect', true)) return url;
  const host = exchange.request.headers['host'] ?? variable(exchange, 'server_name') ?? 'localhost';
  const { port } = exchange.request.local;
  const named = /:\d+$/.test(host) ? host.replace(/:\d+$/, '') : host;
  return `http://${named}${port === 80 || !settingFlag(exchange.scope, 'port_in_redirect', true) ? '' : `:${port}`}${url}`;
}

function returned(exchange: Exchange, directive: Directive): Rewritten {
  const [first = '', second] = directive.args;
  const tokens = settingFlag(exchange.scope, 'server_tokens', true);
  if (!/^\d{3}$/.test(first)) return { reply: pageContent(302, { tokens, location: absolute(exchange, expandUrl(exchange, first)) }) };
  const status = Number(first);
  if (second === undefined) return status >= 300 ? { error: status } : { reply: { status, body: new Uint8Array() } };
  if (redirects.has(status)) return { reply: pageContent(status, { tokens, location: absolute(exchange, expandUrl(exchange, second)) }) };
  return { reply: { status, body: Buffer.from(expand(exchange, second)), type: 'default' } };
}

function fileTest(exchange: Exchange, test: string, operand: string): boolean {
  const stat = exchange.instance.proc.fs.tryStat(resolvePath(configPrefix, operand));
  if (test === 'f') return stat?.kind === 'file';
  if (test === 'd') return stat?.kind === 'directory';
  return test === 'x' ? stat !== undefined && (stat.mode & 0o111) !== 0 : stat !== undefined;
}

function holds(exchange: Exchange, directive: Directive): boolean {
  const words = [...directive.args];
  words[0] = (words[0] ?? '').replace(/^\(/, '');
  words[words.length - 1] = (words.at(-1) ?? '').replace(/\)$/, '');
  const [left = '', operator = '', right = ''] = words.filter((word) => word !== '');
  const file = /^(!?)-([fdex])$/.exec(left);
  if (file) return fileTest(exchange, file[2] ?? '', expand(exchange, operator)) !== (file[1] === '!');
  const value = expand(exchange, left);
  if (!operator) return value !== '' && value !== '0';
  if (operator === '=') return value === expand(exchange, right);
  if (operator === '!=') return value !== expand(exchange, right);
  const match = compileRegex(right, { caseless: operator.endsWith('*'), at: directive }).exec(value);
  if (match && !operator.startsWith('!')) remember(exchange, match);
  return (match !== null) !== operator.startsWith('!');
}

function remember(exchange: Exchange, match: RegExpExecArray): void {
  exchange.captures = [...match].map((part) => part ?? '');
  for (const [name, value] of Object.entries(match.groups ?? {})) exchange.variables.set(name, value ?? '');
}

function rewritten(exchange: Exchange, directive: Directive): Rewritten | 'next' {
  const [pattern = '', replacement = '', flag] = directive.args;
  const match = compileRegex(pattern, { caseless: false, at: directive }).exec(exchange.uri);
  if (!match) return 'next';
  remember(exchange, match);
  const redirect = /^https?:\/\/|^\$scheme/.test(replacement) || flag === 'redirect' || flag === 'permanent';
  const keepArgs = !replacement.endsWith('?');
  const [path = '', args] = expand(exchange, keepArgs ? replacement : replacement.slice(0, -1)).split(/\?(.*)/s);
  const query = [args, keepArgs ? exchange.args : ''].filter(Boolean).join('&');
  if (redirect) {
    const url = `${/^https?:/.test(path) ? path : escapePath(path)}${query ? `?${query}` : ''}`;
    return { reply: pageContent(flag === 'permanent' ? 301 : 302, { tokens: settingFlag(exchange.scope, 'server_tokens', true), location: absolute(exchange, url) }) };
  }
  exchange.uri = path.startsWith('/') ? path : `/${path}`;
  exchange.args = query;
  return flag === 'last' ? 'again' : flag === 'break' ? 'break' : 'next';
}

/** Runs set, if, rewrite, return and break in their order. */
export function runRewrites(exchange: Exchange, directives: readonly Directive[]): Rewritten {
  let changed = false;
  for (const directive of directives) {
    let outcome: Rewritten | 'next' = 'next';
    if (directive.name === 'set') exchange.variables.set((directive.args[0] ?? '').slice(1), expand(exchange, directive.args[1] ?? ''));
    else if (directive.name === 'return') outcome = returned(exchange, directive);
    else if (directive.name === 'break') return 'break';
    else if (directive.name === 'rewrite') {
      const before = exchange.uri;
      outcome = rewritten(exchange, directive);
      changed ||= before !== exchange.uri;
    } else if (directive.name === 'if' && holds(exchange, directive)) {
      const block = directive.block ?? [];
      exchange.scope = ifScope(exchange.scope, block);
      outcome = runRewrites(exchange, block) ?? 'next';
    }
    if (outcome !== 'next') return outcome;
  }
  return changed ? 'again' : undefined;
}

/** Directives of an `if` block that is not about rewriting (add_header, proxy_pass …) apply while it holds. */
function ifScope(parent: Scope, block: readonly Directive[]): Scope {
  const byName = new Map<string, Directive[]>();
  for (const directive of block) byName.set(directive.name, [...(byName.get(directive.name) ?? []), directive]);
  return { kind: 'i', directives: block, byName, parent };
}

/** The status for a file that cannot be served. */
export function statusOf(error: FsError): 403 | 404 {
  return error.code === 'EACCES' ? 403 : 404;
}
