import type { ProxiedRequest } from '../proxy.ts';
import { hostOf } from '../routing/paths.ts';

export function headerOf(request: Pick<ProxiedRequest, 'headers'>, name: string): string | undefined {
  const value = request.headers[name];
  return value === undefined || typeof value === 'string' ? value : value.join(', ');
}

/** The first cookie of a name. */
export function cookieOf(request: Pick<ProxiedRequest, 'headers'>, name: string): string | undefined {
  for (const part of (headerOf(request, 'cookie') ?? '').split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return undefined;
}

export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

export function queryOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? '' : target.slice(query + 1);
}

function variable(request: ProxiedRequest, name: string): string {
  switch (name) {
    case 'scheme': return request.secure ? 'https' : 'http';
    case 'host': case 'best_http_host': return hostOf(request.host);
    case 'http_host': return request.host;
    case 'request_uri': return request.target;
    case 'uri': return pathOf(request.target);
    case 'args': case 'query_string': return queryOf(request.target);
    case 'is_args': return request.target.includes('?') ? '?' : '';
    case 'remote_addr': case 'the_real_ip': return request.clientIp;
    case 'remote_port': return String(request.clientPort);
    case 'request_method': return request.method;
    case 'server_protocol': return request.protocol;
    default:
      if (name.startsWith('http_')) return headerOf(request, name.slice(5).replaceAll('_', '-')) ?? '';
      if (name.startsWith('cookie_')) return cookieOf(request, name.slice(7)) ?? '';
      if (name.startsWith('arg_')) return new URLSearchParams(queryOf(request.target)).get(name.slice(4)) ?? '';
      return '';
  }
}

/** Text with nginx's variables filled in; what is not known is empty. */
export function expand(text: string, request: ProxiedRequest): string {
  return text.includes('$') ? text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_whole, braced?: string, bare?: string) => variable(request, braced ?? bare ?? '')) : text;
}
