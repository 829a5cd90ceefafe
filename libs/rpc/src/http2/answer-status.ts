import { Code, RpcError } from '../rpc-error.ts';
import type { CallOptions } from '../service.ts';
import { type Header, encodeHeader } from './hpack.ts';

/** The header block of a call. */
export function callHeaders(to: { scheme: string; authority: string; path: string }, { metadata = {}, timeoutMs }: CallOptions): Buffer {
  const own = Object.entries(metadata).map(([key, value]): Header => [key.toLowerCase(), key.endsWith('-bin') ? Buffer.from(value).toString('base64') : value]);
  // Eight digits are allowed: what is longer than a day in milliseconds is told in seconds.
  const timeout = timeoutMs === undefined ? [] : [['grpc-timeout', timeoutMs < 1e8 ? `${Math.max(1, Math.ceil(timeoutMs))}m` : `${Math.min(99_999_999, Math.ceil(timeoutMs / 1000))}S`] as const];
  const headers: readonly Header[] = [[':method', 'POST'], [':scheme', to.scheme], [':path', to.path], [':authority', to.authority], ['te', 'trailers'], ['content-type', 'application/grpc'], ...timeout, ...own];
  return Buffer.concat(headers.map(encodeHeader));
}

/** gRPC's reading of an HTTP status that is not that of an answer. */
const codeOfHttp: Readonly<Record<string, Code>> = { 400: Code.INTERNAL, 401: Code.UNAUTHENTICATED, 403: Code.PERMISSION_DENIED, 404: Code.UNIMPLEMENTED, 429: Code.UNAVAILABLE, 502: Code.UNAVAILABLE, 503: Code.UNAVAILABLE, 504: Code.UNAVAILABLE };

/** Undoes the protocol's percent-encoding; what is no such encoding stays as it is. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

/** What the headers (`begins`) or the trailers of an answer say: how its messages are packed, and how the call ended, once that is known. */
export function answerStatus(headers: readonly Header[], begins: boolean): { encoding: string; status: RpcError | 'ok' | undefined } {
  const fields = new Map(headers);
  const encoding = fields.get('grpc-encoding') ?? 'identity';
  const http = fields.get(':status');
  const type = fields.get('content-type') ?? '';
  if (begins && (http !== '200' || !type.startsWith('application/grpc'))) {
    return { encoding, status: new RpcError(codeOfHttp[http ?? ''] ?? Code.UNKNOWN, `unexpected HTTP status code received from server: ${http ?? 'none'}; transport: received unexpected content-type ${JSON.stringify(type)}`) };
  }
  const code = fields.get('grpc-status');
  if (code === undefined) return { encoding, status: undefined };
  if (code === '0') return { encoding, status: 'ok' };
  const known = Object.values(Code).find((one) => String(one) === code) ?? Code.UNKNOWN;
  return { encoding, status: new RpcError(known, decoded(fields.get('grpc-message') ?? '')) };
}
