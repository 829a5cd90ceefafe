import { type HttpReply, reasonOf } from '../../net/http-server.ts';
import { nginxVersion } from './exchange.ts';

/** Where nginx's phrases differ from the RFC's. */
const phrases: Readonly<Record<number, string>> = { 302: 'Moved Temporarily', 405: 'Not Allowed', 408: 'Request Time-out', 413: 'Request Entity Too Large', 414: 'Request-URI Too Large', 416: 'Requested Range Not Satisfiable', 421: 'Misdirected Request', 429: 'Too Many Requests', 503: 'Service Temporarily Unavailable', 504: 'Gateway Time-out', 507: 'Insufficient Storage', 401: 'Authorization Required' };

/** Reason phrases of status lines, which differ from the pages' titles for a few. */
const statusLines: Readonly<Record<number, string>> = { 302: 'Moved Temporarily', 405: 'Not Allowed', 408: 'Request Time-out', 413: 'Request Entity Too Large', 414: 'Request-URI Too Large', 416: 'Requested Range Not Satisfiable', 503: 'Service Temporarily Unavailable', 504: 'Gateway Time-out' };

export function statusLine(status: number): string {
  return statusLines[status] ?? reasonOf(status).replace('Unknown', '');
}

export function serverName(tokens: boolean): string {
  return tokens ? `nginx/${nginxVersion}` : 'nginx';
}

/** The page nginx makes for a status when no error_page is given; undefined when the status has none. */
export function statusPage(status: number, tokens: boolean): string | undefined {
  const hasPage = (status >= 301 && status <= 308 && status !== 304) || (status >= 400 && status < 600);
  const phrase = phrases[status] ?? reasonOf(status);
  if (!hasPage || phrase === 'Unknown') return undefined;
  const title = `${status} ${phrase}`;
  return `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>${serverName(tokens)}</center>\r\n</body>\r\n</html>\r\n`;
}

/** A reply before nginx's own headers are put around it. */
export interface Content {
  readonly status: number;
  readonly type?: string;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** Length when it is known of a stream. */
  readonly length?: number;
  readonly lastModifiedMs?: number;
  readonly etag?: string;
  readonly location?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly acceptRanges?: boolean;
  readonly takeOver?: NonNullable<HttpReply['takeOver']>;
}

export function pageContent(status: number, options: { tokens: boolean; location?: string }): Content {
  const page = statusPage(status, options.tokens);
  return { status, body: Buffer.from(page ?? ''), ...(page ? { type: 'text/html' } : {}), ...(options.location === undefined ? {} : { location: options.location }) };
}
