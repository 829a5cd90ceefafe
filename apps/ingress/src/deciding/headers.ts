import type { GlobalSettings } from '../annotations/global.ts';
import type { ProxiedRequest } from '../proxy.ts';
import type { Location } from '../routing/table.ts';
import { within } from './access.ts';
import { expand, headerOf } from './variables.ts';

/** Who really asks: what a trusted proxy says when forwarded headers are to be believed. */
export function realClient(request: ProxiedRequest, global: GlobalSettings): string {
  const said = global.useForwardedHeaders && within(request.clientIp, global.trustedProxies) ? headerOf(request, 'x-forwarded-for') : undefined;
  return said?.split(',')[0]?.trim() || request.clientIp;
}

/** As the request came to the first proxy: over TLS or not. */
export function isSecure(request: ProxiedRequest, global: GlobalSettings): boolean {
  const said = global.useForwardedHeaders ? headerOf(request, 'x-forwarded-proto') : undefined;
  return said === undefined ? request.secure : said === 'https';
}

/** What ingress-nginx tells backends. */
export function backendHeaders(request: ProxiedRequest, input: { location: Location; global: GlobalSettings; client: string; secure: boolean; id: string; extra: Readonly<Record<string, string>> }): Record<string, string> {
  const { location, global, client, secure, id, extra } = input;
  const { settings } = location;
  const scheme = secure ? 'https' : 'http';
  const earlier = headerOf(request, 'x-forwarded-for');
  const trusts = global.useForwardedHeaders;
  const out: Record<string, string> = {
    host: settings.upstreamVhost ? expand(settings.upstreamVhost, request) : request.host,
    'x-request-id': id,
    'x-real-ip': client,
    'x-forwarded-for': trusts && global.computeFullForwardedFor && earlier ? `${earlier}, ${request.clientIp}` : client,
    'x-forwarded-host': (trusts && headerOf(request, 'x-forwarded-host')) || request.host,
    'x-forwarded-port': (trusts && headerOf(request, 'x-forwarded-port')) || (/:(\d+)$/.exec(request.host)?.[1] ?? (secure ? '443' : '80')),
    'x-forwarded-proto': scheme,
    'x-forwarded-scheme': scheme,
    'x-scheme': scheme,
    // What a client says by this header is not for the backend to act on (httpoxy).
    proxy: '',
  };
  if (earlier !== undefined) out['x-original-forwarded-for'] = earlier;
  if (settings.forwardedPrefix) out['x-forwarded-prefix'] = settings.forwardedPrefix;
  for (const [name, value] of Object.entries(extra)) out[name.toLowerCase()] = expand(value, request);
  return out;
}

/** Where external authentication is asked about a request. */
export function authHeaders(request: ProxiedRequest, input: { client: string; secure: boolean; id: string }): Record<string, string> {
  const { client, secure, id } = input;
  const kept = Object.entries(request.headers).filter(([name]) => !['content-length', 'content-type', 'transfer-encoding', 'connection', 'upgrade', 'host', 'keep-alive'].includes(name) && !name.startsWith(':'));
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [name, [value ?? ''].flat().join(', ')])),
    'x-original-url': `${secure ? 'https' : 'http'}://${request.host}${request.target}`,
    'x-original-method': request.method,
    'x-auth-request-redirect': request.target,
    'x-sent-from': 'nginx-ingress-controller',
    'x-real-ip': client,
    'x-forwarded-for': client,
    'x-request-id': id,
  };
}
