/** How a rule's path is compared with a request's. */
export type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

/** `/a/` and `/a` are the same prefix; `/a` matches `/a` and `/a/b` but not `/ab`. */
function matchesPrefix(prefix: string, path: string): boolean {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path === base || path.startsWith(`${base}/`);
}

/** By the Ingress specification; ImplementationSpecific is compared as Prefix, as ingress-nginx does without regular expressions. */
export function matchesPath(type: PathType, rule: string, path: string): boolean {
  return type === 'Exact' ? rule === path : matchesPrefix(rule, path);
}

/** Exact rules go first, then the longest prefix. Sorts before others when negative. */
export function comparePaths(a: { type: PathType; path: string }, b: { type: PathType; path: string }): number {
  if ((a.type === 'Exact') !== (b.type === 'Exact')) return a.type === 'Exact' ? -1 : 1;
  return b.path.length - a.path.length;
}

/** Names under which a host may be configured, best first: itself, its wildcard (one label), any host. */
export function hostCandidates(host: string): string[] {
  const dot = host.indexOf('.');
  return dot > 0 ? [host, `*${host.slice(dot)}`, ''] : [host, ''];
}

/** The host of a Host header or :authority: lower case, without port. */
export function hostOf(authority: string): string {
  const name = authority.startsWith('[') ? authority.slice(0, authority.indexOf(']') + 1) : (authority.split(':')[0] ?? '');
  return name.toLowerCase();
}
