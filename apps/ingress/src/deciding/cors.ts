import type { CorsSettings } from '../annotations/settings.ts';

function allows(allowed: string, origin: string): boolean {
  if (allowed === '*' || allowed === origin) return true;
  const star = allowed.indexOf('*.');
  if (star < 0) return false;
  const [head, tail] = [allowed.slice(0, star), allowed.slice(star + 1)];
  return origin.startsWith(head) && origin.endsWith(tail) && origin.length > head.length + tail.length;
}

/** Headers of CORS for a reply; none when the origin is not allowed. A preflight has more of them. */
export function corsHeaders(cors: CorsSettings, request: { readonly origin: string | undefined; readonly preflight: boolean }): Readonly<Record<string, string>> {
  const { origin, preflight } = request;
  const any = cors.origins.includes('*');
  if (!any && !(origin && cors.origins.some((allowed) => allows(allowed, origin)))) return {};
  return {
    'access-control-allow-origin': any ? '*' : (origin ?? ''),
    ...(any ? {} : { vary: 'Origin' }),
    ...(cors.credentials ? { 'access-control-allow-credentials': 'true' } : {}),
    'access-control-allow-methods': cors.methods,
    'access-control-allow-headers': cors.headers,
    ...(cors.expose ? { 'access-control-expose-headers': cors.expose } : {}),
    'access-control-max-age': String(cors.maxAge),
    ...(preflight ? { 'content-type': 'text/plain charset=UTF-8', 'content-length': '0' } : {}),
  };
}
