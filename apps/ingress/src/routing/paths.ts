/** How a rule's path is compared with a request's. */
export type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

export interface PathMatcher {
  readonly type: PathType;
  readonly path: string;
  /** A regular expression by the annotations of its host. */
  readonly regex: RegExp | undefined;
}

/** `/a/` and `/a` are the same prefix; `/a` matches `/a` and `/a/b` but not `/ab`. */
function matchesPrefix(prefix: string, path: string): boolean {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path === base || path.startsWith(`${base}/`);
}

/**
 * A path as nginx compares it. Where one location of a host uses regular expressions all do, without regard to case, from the
 * beginning of the path; Exact stays exact. A Prefix path keeps to whole elements.
 */
export function pathMatcher(type: PathType, path: string, regexHost: boolean): PathMatcher {
  if (!regexHost || type === 'Exact') return { type, path, regex: undefined };
  try {
    return { type, path, regex: new RegExp(`^${path}`, 'i') };
  } catch {
    return { type, path, regex: undefined };
  }
}

/** The groups that matched; undefined: it does not match. Without a regular expression there is only the whole. */
export function matchPath({ type, path: rule, regex }: PathMatcher, path: string): readonly string[] | undefined {
  if (regex) {
    const match = regex.exec(path);
    return match ? match.map((group) => group ?? '') : undefined;
  }
  const matches = type === 'Exact' ? rule === path : matchesPrefix(rule, path);
  return matches ? [path] : undefined;
}

/** Exact rules go first, then the longest. Sorts before others when negative. */
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
