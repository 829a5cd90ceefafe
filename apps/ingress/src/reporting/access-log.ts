import type { Tag } from '../deciding/decide.ts';
import { expand, headerOf } from '../deciding/variables.ts';
import type { ProxyRecord } from '../proxy.ts';
import { upstreamName } from '../routing/backends.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value: number): string => String(value).padStart(2, '0');

/** `20/Nov/2026:19:44:12 +0000` */
export function localTime(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getUTCDate())}/${months[at.getUTCMonth()] ?? ''}/${at.getUTCFullYear()}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`;
}

/** What nginx writes for characters that could end a line or a quotation. */
const escaped = (text: string): string => text.replace(/[\x00-\x1f"\\\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);

function valueOf(name: string, { request, status, bytesSent, requestBytes, seconds, attempts }: ProxyRecord, { location, backend, alternative, id, user, client }: Tag, nowMs: number): string {
  const each = (read: (attempt: (typeof attempts)[number]) => string): string => attempts.map(read).join(', ') || '-';
  switch (name) {
    case 'remote_addr': case 'the_real_ip': return client;
    case 'remote_user': return user || '-';
    case 'time_local': return localTime(nowMs);
    case 'time_iso8601': return `${new Date(nowMs).toISOString().slice(0, 19)}+00:00`;
    case 'msec': return (nowMs / 1000).toFixed(3);
    case 'request': return `${request.method} ${request.target} ${request.protocol}`;
    case 'status': return String(status);
    case 'body_bytes_sent': case 'bytes_sent': return String(bytesSent);
    case 'request_length': return String(requestBytes);
    case 'request_time': return seconds.toFixed(3);
    case 'proxy_upstream_name': return backend ? upstreamName(backend) : '';
    case 'proxy_alternative_upstream_name': return alternative;
    case 'upstream_addr': return each(({ endpoint }) => `${endpoint.ip}:${endpoint.port}`);
    case 'upstream_status': return each((attempt) => String(attempt.status || 502));
    case 'upstream_response_length': return each(({ bytes }) => String(bytes));
    case 'upstream_response_time': return each((attempt) => attempt.seconds.toFixed(3));
    case 'upstream_connect_time': return each((attempt) => attempt.connectSeconds.toFixed(3));
    case 'upstream_header_time': return each((attempt) => attempt.headerSeconds.toFixed(3));
    case 'req_id': case 'request_id': return id;
    case 'namespace': return location?.namespace ?? '';
    case 'ingress_name': return location?.ingress.split('/')[1] ?? '';
    case 'service_name': return backend?.service ?? '';
    case 'service_port': return backend?.port ?? '';
    case 'location_path': return location?.matcher.path ?? '';
    case 'http_referer': return headerOf(request, 'referer') ?? '-';
    case 'http_user_agent': return headerOf(request, 'user-agent') ?? '-';
    default: return expand(`$${name}`, request) || (name.startsWith('http_') ? '-' : '');
  }
}

/** One line of the access log by a format of nginx. */
export function accessLine(format: string, record: ProxyRecord, tag: Tag, nowMs: number): string {
  const escape = format.includes('escape=none') ? (text: string): string => text : escaped;
  return format.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_whole, braced?: string, bare?: string) => escape(valueOf(braced ?? bare ?? '', record, tag, nowMs)));
}
