import type { GlobalSettings } from '../annotations/global.ts';
import type { ProxiedRequest } from '../proxy.ts';
import { hostOf } from '../routing/paths.ts';
import type { Location } from '../routing/table.ts';
import { expand, pathOf, queryOf } from './variables.ts';

export interface Redirect {
  readonly status: number;
  readonly location: string;
}

/** The authority for HTTPS: with its port unless it is the usual one. */
export function secureAuthority(host: string, httpsPort: string): string {
  return httpsPort === '443' || httpsPort === '' ? hostOf(host) : `${hostOf(host)}:${httpsPort}`;
}

/** Where a location sends a request before anything else; undefined: nowhere. */
export function redirectOf(request: ProxiedRequest, { location, groups, secure, httpsPort, global }: { location: Location; groups: readonly string[]; secure: boolean; httpsPort: string; global: GlobalSettings }): Redirect | undefined {
  const { settings, tls } = location;
  if (!secure && (settings.forceSslRedirect || (settings.sslRedirect && tls))) {
    return { status: global.redirectStatus, location: `https://${secureAuthority(request.host, httpsPort)}${request.target}` };
  }
  if (settings.appRoot && pathOf(request.target) === '/') {
    const to = expand(settings.appRoot, request);
    return { status: 302, location: to.startsWith('/') ? `${secure ? 'https' : 'http'}://${request.host}${to}` : to };
  }
  if (!settings.redirect) return undefined;
  const { to, status } = settings.redirect;
  return { status, location: expand(to.replace(/\$(\d)/g, (_whole, n: string) => groups[Number(n)] ?? ''), request) };
}

/** The path a backend is asked for: `rewrite-target` with the groups of the path in it; the query stays. */
export function rewritten(target: string, rewriteTarget: string, groups: readonly string[]): string {
  if (!rewriteTarget) return target;
  const path = rewriteTarget.replace(/\$(\d)/g, (_whole, n: string) => groups[Number(n)] ?? '');
  const query = queryOf(target);
  return query ? `${path}${path.includes('?') ? '&' : '?'}${query}` : path;
}
