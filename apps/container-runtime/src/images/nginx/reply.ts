import { type HttpReply, httpDate } from '../../net/http-server.ts';
import type { Exchange } from './exchange.ts';
import { writeAccessLog } from './logs.ts';
import { type Content, pageContent, serverName, statusLine } from './pages.ts';
import { setting, settingFlag, settingValue, timeOf } from './scope.ts';
import { expand } from './variables.ts';

/** Replies that add_header and expires apply to without `always`. */
const decorated = new Set([200, 201, 204, 206, 301, 302, 303, 304, 307, 308]);
const charsetTypes = ['text/html', 'text/xml', 'text/plain', 'text/vnd.wap.wml', 'application/javascript', 'application/rss+xml'];

function expiry(exchange: Exchange, status: number, lastModifiedMs: number | undefined): [string, string][] {
  const directive = setting(exchange.scope, 'expires')[0];
  if (!directive || !(decorated.has(status) && status !== 303)) return [];
  const [first = '', second] = directive.args;
  const now = exchange.instance.proc.clock.now();
  const value = expand(exchange, second ?? first);
  if (value === 'off') return [];
  if (value === 'epoch') return [['Expires', 'Thu, 01 Jan 1970 00:00:01 GMT'], ['Cache-Control', 'no-cache']];
  if (value === 'max') return [['Expires', 'Thu, 31 Dec 2037 23:55:55 GMT'], ['Cache-Control', 'max-age=315360000']];
  const negative = value.startsWith('-');
  const from = first === 'modified' && lastModifiedMs !== undefined ? lastModifiedMs : now;
  const at = from + (negative ? -1 : 1) * timeOf({ ...directive, args: [value.replace(/^[-+]/, '')] }, 0);
  return [['Expires', httpDate(at)], ['Cache-Control', negative ? 'no-cache' : `max-age=${Math.max(0, Math.round((at - now) / 1000))}`]];
}

function added(exchange: Exchange, status: number): [string, string][] {
  return setting(exchange.scope, 'add_header')
    .filter(({ args }) => args[2] === 'always' || decorated.has(status))
    .map(({ args }): [string, string] => [args[0] ?? '', expand(exchange, args[1] ?? '')])
    .filter(([, value]) => value !== '');
}

function contentTypeOf(exchange: Exchange, type: string): string {
  const plain = type === 'default' ? (settingValue(exchange.scope, 'default_type') ?? 'text/plain') : type;
  const charset = settingValue(exchange.scope, 'charset');
  const types = setting(exchange.scope, 'charset_types').flatMap(({ args }) => args);
  const covered = [...(types.length ? ['text/html', ...types] : charsetTypes)].includes(plain);
  return charset && charset !== 'off' && covered ? `${plain}; charset=${charset}` : plain;
}

/** Whether the client's copy is still good. */
function unchanged(exchange: Exchange, content: Content): boolean {
  const { headers } = exchange.request;
  const match = headers['if-none-match'];
  if (match !== undefined) return content.etag !== undefined && match.split(',').some((tag) => tag.trim().replace(/^W\//, '') === content.etag || tag.trim() === '*');
  const since = headers['if-modified-since'];
  return since !== undefined && content.lastModifiedMs !== undefined && httpDate(content.lastModifiedMs) === since;
}

/** One range of a file; several ranges are answered with the whole. */
function ranged(exchange: Exchange, content: Content): Content {
  const header = exchange.request.headers['range'];
  const { body } = content;
  if (header === undefined || !content.acceptRanges || content.status !== 200 || !(body instanceof Uint8Array)) return content;
  const condition = exchange.request.headers['if-range'];
  if (condition !== undefined && condition !== content.etag && condition !== httpDate(content.lastModifiedMs ?? 0)) return content;
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!match || (match[1] === '' && match[2] === '')) return content;
  const size = body.length;
  const start = match[1] ? Number(match[1]) : Math.max(0, size - Number(match[2]));
  const end = match[1] && match[2] ? Math.min(Number(match[2]), size - 1) : size - 1;
  if (start >= size || start > end) return { ...pageContent(416, { tokens: settingFlag(exchange.scope, 'server_tokens', true) }), headers: [['Content-Range', `bytes */${size}`]] };
  return { ...content, status: 206, body: body.subarray(start, end + 1), headers: [...(content.headers ?? []), ['Content-Range', `bytes ${start}-${end}/${size}`]] };
}

async function* counted(exchange: Exchange, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of body) {
      exchange.bodyBytes += bytes.length;
      yield bytes;
    }
  } finally {
    await writeAccessLog(exchange);
  }
}

function headersOf(exchange: Exchange, content: Content): [string, string][] {
  const { proc } = exchange.instance;
  const { version, headers } = exchange.request;
  const asked = headers['connection']?.toLowerCase();
  const keep = version === '1.0' ? asked === 'keep-alive' : asked !== 'close';
  const known = content.body instanceof Uint8Array ? content.body.length : content.length;
  const bodyless = content.status === 204 || content.status === 304;
  const length: [string, string][] = bodyless ? [] : known === undefined ? [['Transfer-Encoding', 'chunked']] : [['Content-Length', String(known)]];
  return [
    ['Server', serverName(settingFlag(exchange.scope, 'server_tokens', true))],
    ['Date', httpDate(proc.clock.now())],
    ...(content.type !== undefined && !bodyless ? [['Content-Type', contentTypeOf(exchange, content.type)] as [string, string]] : []),
    ...length,
    ...(content.lastModifiedMs === undefined ? [] : [['Last-Modified', httpDate(content.lastModifiedMs)] as [string, string]]),
    ...(content.location === undefined ? [] : [['Location', content.location] as [string, string]]),
    ['Connection', keep ? 'keep-alive' : 'close'],
    ...(content.etag === undefined ? [] : [['ETag', content.etag] as [string, string]]),
    ...(content.headers ?? []).map(([name, value]): [string, string] => [name, value]),
  ];
}

/** Puts nginx's headers around a content and arranges for the access log. */
export async function finish(exchange: Exchange, given: Content): Promise<HttpReply> {
  if (given.takeOver) {
    const { takeOver } = given;
    exchange.status = 101;
    return { status: 101, takeOver: (stream) => takeOver(stream).finally(() => writeAccessLog(exchange)) };
  }
  const kept = exchange.errorStatus;
  const replaced: Content = typeof kept === 'number' && given.status === 200 ? { ...given, status: kept } : given;
  const content = replaced.status === 200 && unchanged(exchange, replaced) ? { ...replaced, status: 304, body: new Uint8Array() } : ranged(exchange, replaced);
  const { status, body } = content;
  exchange.status = status;
  const late: [string, string][] = [...expiry(exchange, status, content.lastModifiedMs), ...added(exchange, status), ...(content.acceptRanges && status === 200 ? [['Accept-Ranges', 'bytes'] as [string, string]] : [])];
  const headers = [...headersOf(exchange, content), ...late];
  exchange.replyHeaders = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const reason = statusLine(status);
  if (body instanceof Uint8Array) {
    exchange.bodyBytes = exchange.request.method === 'HEAD' || status === 304 ? 0 : body.length;
    await writeAccessLog(exchange);
    return { status, headers, reason, body };
  }
  if (exchange.request.method === 'HEAD' || status === 204 || status === 304) {
    for await (const _ of body) continue;
    await writeAccessLog(exchange);
    return { status, headers, reason };
  }
  return { status, headers, reason, body: counted(exchange, body) };
}
