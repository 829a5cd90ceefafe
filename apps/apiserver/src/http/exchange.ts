import { encodeProtobuf } from '@orrery/api';
import { isDeeperThan, parseExactly } from '@orrery/apimachinery';
import type { Status } from '@orrery/errors';
import type { HttpHeaders, HttpRequest, HttpResponse } from '@orrery/node-io/http-server';
import { stringify } from 'yaml';
import type { AuditTrail } from '../pipeline/audit.ts';
import { type Format, mediaTypeOf, negotiateFailure } from './negotiation.ts';
import { warningHeaders } from './warnings.ts';

/** Replies bigger than this are compressed for clients that can take it, as upstream. */
const gzipAboveBytes = 128 * 1024;

/** One HTTP request on its way to its answer: collects what every answer carries. */
export class Exchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly auditId: string;
  readonly annotations: Record<string, string> = {};
  private readonly warnings = new Set<string>();
  private readonly extra: Record<string, string | readonly string[]> = {};
  private canceller: AbortController | undefined;
  private cancelled: Error | undefined;
  /** Status code sent; 0 until then. */
  code = 0;
  /** Undefined: the request is not audited. */
  audit: AuditTrail | undefined;

  constructor(request: HttpRequest, response: HttpResponse, auditId: string) {
    this.request = request;
    this.response = response;
    this.auditId = auditId;
  }

  /** Aborts when the client is gone, the request is out of time or the server ends it. */
  get signal(): AbortSignal {
    if (!this.canceller) {
      const own = new AbortController();
      const client = this.request.signal;
      this.canceller = own;
      if (this.cancelled) own.abort(this.cancelled);
      else if (client.aborted) own.abort(client.reason);
      else client.addEventListener('abort', () => own.abort(client.reason), { once: true });
    }
    return this.canceller.signal;
  }

  get isCancelled(): boolean {
    return this.cancelled !== undefined;
  }

  /** Nobody waits for the answer any more. */
  cancel(reason: Error): void {
    this.cancelled ??= reason;
    this.canceller?.abort(reason);
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return typeof value === 'string' ? value : value?.[0];
  }

  /** Indented JSON: as the query says, else for what people look at it with. */
  get pretty(): boolean {
    const asked = /[?&]pretty=([^&]+)/.exec(this.request.url)?.[1];
    if (asked !== undefined) return /^(1|t|true)$/i.test(asked);
    return /^(curl|Wget|Mozilla\/5\.0)/.test(this.header('user-agent') ?? '');
  }

  warn(text: string): void {
    this.warnings.add(text);
  }

  /** Adds to the audit record; what was said first stays. */
  annotate(key: string, value: string): void {
    this.annotations[key] ??= value;
  }

  /** Ends the audit record of a request that met a bug; a client that went away is none. */
  auditPanic(error: unknown): void {
    if (this.request.signal.aborted) return;
    this.audit?.panicked(error instanceof Error ? error.message : String(error));
    this.audit = undefined;
  }

  setHeaders(headers: HttpHeaders): void {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.extra[name] = value;
  }

  /** What this server says on any reply, another server's too. */
  get ownHeaders(): HttpHeaders {
    return { 'audit-id': this.auditId, ...this.extra };
  }

  headers(contentType: string): Record<string, string | readonly string[]> {
    const warnings = warningHeaders(this.warnings);
    return {
      'content-type': contentType,
      'cache-control': 'no-cache, private',
      'audit-id': this.auditId,
      ...(warnings.length ? { warning: warnings } : {}),
      ...this.extra,
    };
  }

  /** Sends JSON bytes, transcoded and compressed as asked. Protobuf is for the caller to make: its bytes pass as they are. */
  async sendJson(code: number, body: Buffer, format: Pick<Format, 'encoding' | 'pretty'>): Promise<void> {
    if (format.encoding !== 'protobuf') this.audit?.response(body);
    if (format.encoding === 'protobuf') {
      await this.sendBytes(code, mediaTypeOf('protobuf'), body);
    } else if (format.encoding === 'yaml') {
      await this.sendBytes(code, 'application/yaml', Buffer.from(toYaml(parseExactly(body.toString('utf8')))));
    } else if (format.pretty) {
      const text = JSON.stringify(parseExactly(body.toString('utf8')), null, 2);
      await this.sendBytes(code, 'application/json', Buffer.from(`${text}\n`));
    } else await this.sendBytes(code, 'application/json', body);
  }

  /** Sends an object of a built-in kind that is nowhere encoded yet: a Status, a review, a Scale. */
  async sendObject(code: number, object: { readonly apiVersion?: string; readonly kind?: string }, format: Pick<Format, 'encoding' | 'pretty'>): Promise<void> {
    if (format.encoding === 'protobuf') this.audit?.response(object);
    await this.sendJson(code, format.encoding === 'protobuf' ? encodeProtobuf(object) : Buffer.from(JSON.stringify(object)), format);
  }

  async sendBytes(code: number, contentType: string, body: Buffer): Promise<void> {
    this.code = code;
    const headers = this.headers(contentType);
    if (body.length > gzipAboveBytes && this.wantsGzip()) {
      const small = await this.response.gzip(body);
      this.response.send(code, { ...headers, 'content-encoding': 'gzip', vary: headers['vary'] ? `${headers['vary'] as string}, Accept-Encoding` : 'Accept-Encoding' }, small);
      return;
    }
    this.response.send(code, headers, body);
  }

  sendText(code: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
    this.code = code;
    this.response.send(code, { ...this.headers(contentType), 'x-content-type-options': 'nosniff' }, body);
  }

  /** A failure, in the form that was asked for where that can carry a Status, else in JSON. */
  sendStatus(status: Status): void {
    this.code = status.code;
    this.audit?.failed(status);
    const retry = status.details?.retryAfterSeconds;
    const { encoding, pretty } = negotiateFailure(this.header('accept'), this.pretty);
    const headers = this.headers(mediaTypeOf(encoding));
    this.response.send(status.code, retry === undefined ? headers : { ...headers, 'retry-after': String(retry) }, statusBody(status, encoding, pretty));
  }

  private wantsGzip(): boolean {
    return (this.header('accept-encoding') ?? '').split(',').some((part) => part.split(';')[0]?.trim() === 'gzip');
  }
}

/** Deeper than this the writer of YAML takes long, and then all of the stack. */
const maxYamlDepth = 100;

/** As the YAML of Go's serializer: keys sorted, and nothing that YAML 1.1 would read as something else. JSON is YAML too: so is written what nests very deeply. */
export function toYaml(value: unknown): string {
  if (isDeeperThan(value, maxYamlDepth)) return `${JSON.stringify(value)}\n`;
  return stringify(value, { sortMapEntries: true, version: '1.1', lineWidth: 0, indentSeq: false });
}

function statusBody(status: Status, encoding: Format['encoding'], pretty: boolean): Uint8Array | string {
  if (encoding === 'protobuf') return encodeProtobuf(status);
  if (encoding === 'yaml') return toYaml(status);
  return pretty ? `${JSON.stringify(status, null, 2)}\n` : JSON.stringify(status);
}
