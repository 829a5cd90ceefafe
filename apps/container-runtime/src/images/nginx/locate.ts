import type { Location, NginxConfig, VirtualServer } from './model.ts';
import { hostOf } from './uri.ts';

/** The server block for a connection's address and its Host header. */
export function findServer(config: NginxConfig, at: { address: { ip: string; port: number }; host: string }): { server: VirtualServer; captures: readonly string[] } | undefined {
  const { ip, port } = at.address;
  const on = (wanted: string) => (server: VirtualServer): boolean => server.listens.some((listen) => listen.port === port && listen.ip === wanted && !listen.ssl);
  const specific = config.servers.filter(on(ip));
  const candidates = specific.length ? specific : config.servers.filter(on(''));
  const host = hostOf(at.host);
  const exact = candidates.find(({ names }) => names.some((name) => name === host || (name.startsWith('.') && name.slice(1) === host)));
  if (exact) return { server: exact, captures: [] };
  const wildcards = candidates.flatMap((server) => server.names.filter((name) => name.includes('*') || name.startsWith('.')).map((name) => ({ server, name: name.startsWith('.') ? `*${name}` : name })));
  const before = wildcards.filter(({ name }) => name.startsWith('*.') && host.endsWith(name.slice(1))).sort((a, b) => b.name.length - a.name.length)[0];
  const after = wildcards.filter(({ name }) => name.endsWith('.*') && host.startsWith(name.slice(0, -1))).sort((a, b) => b.name.length - a.name.length)[0];
  if (before ?? after) return { server: ((before ?? after) as { server: VirtualServer }).server, captures: [] };
  for (const server of candidates) {
    for (const name of server.names) {
      const match = name.startsWith('~') ? new RegExp(name.slice(1), 'i').exec(host) : null;
      if (match) return { server, captures: [...match].map((part) => part ?? '') };
    }
  }
  const fallback = candidates.find(({ listens }) => listens.some((listen) => listen.port === port && listen.isDefault)) ?? candidates[0];
  return fallback && { server: fallback, captures: [] };
}

export interface Located {
  /** Outer before inner; empty when no location applies. */
  readonly chain: readonly Location[];
  readonly captures?: readonly string[];
  readonly named?: Readonly<Record<string, string>>;
}

/** The location of a URI: exact, else the longest prefix unless a regular expression matches first. */
export function findLocation(locations: readonly Location[], uri: string): Located {
  const exact = locations.find(({ kind, pattern }) => kind === '=' && pattern === uri);
  if (exact) return { chain: [exact] };
  const prefixes = locations.filter(({ kind, pattern }) => (kind === '' || kind === '^~') && uri.startsWith(pattern));
  const best = prefixes.sort((a, b) => b.pattern.length - a.pattern.length)[0];
  const inner: Located = best ? findLocation(best.locations, uri) : { chain: [] };
  const nested: Located | undefined = best && { ...inner, chain: [best, ...inner.chain] };
  const decided = nested?.chain.at(-1);
  if (nested && (decided?.kind === '^~' || decided?.kind === '=' || decided?.regex || best?.kind === '^~')) return nested;
  for (const location of locations) {
    const match = location.regex?.exec(uri);
    if (!match) continue;
    const below = findLocation(location.locations, uri);
    return { captures: [...match].map((part) => part ?? ''), named: { ...match.groups }, ...below, chain: [location, ...below.chain] };
  }
  return nested ?? { chain: [] };
}
