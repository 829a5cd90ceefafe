import { type Status, StatusError } from '@orrery/errors';
import type { HttpRequest } from '@orrery/node-io/http-server';
import type { AuditedRequest } from '../pipeline/audit.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import type { ApiServerCore } from '../server.ts';
import type { Exchange } from './exchange.ts';
import type { ParsedRequest } from './request-path.ts';

const ipv4 = /^(?:\d{1,3}\.){3}\d{1,3}$/;

/** An address without port and brackets; undefined when it is none. */
function addressOf(text: string): string | undefined {
  const plain = text.trim().replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^((?:\d{1,3}\.){3}\d{1,3}):\d+$/, '$1').replace(/^::ffff:(?=\d)/, '');
  if (ipv4.test(plain)) return plain.split('.').every((part) => Number(part) < 256) ? plain : undefined;
  return /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(plain) ? plain : undefined;
}

function header(request: Pick<HttpRequest, 'headers'>, name: string): string {
  const value = request.headers[name];
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}

/** From the client to the last hop: what proxies say (X-Forwarded-For, X-Real-Ip), then who is connected. */
export function sourceIps(request: Pick<HttpRequest, 'headers' | 'remoteAddress'>): string[] {
  const ips = header(request, 'x-forwarded-for').split(',').flatMap((part) => addressOf(part) ?? []);
  const real = addressOf(header(request, 'x-real-ip'));
  if (real && !ips.includes(real)) ips.push(real);
  const remote = addressOf(request.remoteAddress);
  if (remote && ips.at(-1) !== remote) ips.push(remote);
  return ips;
}

/** The id that the client gives its request, if it does. */
export function auditIdOf(request: Pick<HttpRequest, 'headers'>): string {
  return header(request, 'audit-id');
}

export interface AuditStart {
  readonly exchange: Exchange;
  readonly parsed: ParsedRequest;
  readonly isLongRunning: boolean;
  /** Milliseconds since the epoch. */
  readonly receivedMs: number;
}

function audited({ exchange, parsed, isLongRunning, receivedMs }: AuditStart, user: UserInfo | undefined): AuditedRequest {
  const { request, auditId, annotations } = exchange;
  return { auditId, uri: request.url, user, info: parsed.info, sourceIps: sourceIps(request), userAgent: exchange.header('user-agent') ?? '', receivedMs, isLongRunning, annotations };
}

/** Begins the record of a request whose sender is known. Throws 500 where nothing may happen unrecorded. */
export async function beginAudit(core: ApiServerCore, start: AuditStart, user: UserInfo): Promise<void> {
  start.exchange.audit = await core.audit?.begin(audited(start, user));
}

/** Records that the sender could not be authenticated. */
export function auditRefusal(core: ApiServerCore, start: AuditStart, error: unknown): void {
  if (error instanceof StatusError) core.audit?.refused(audited(start, undefined), error.status satisfies Status);
}
