import type { TLSSocket } from 'node:tls';
import type { HttpHeaders, PeerCertificate } from './http-server.ts';

const certificates = new WeakMap<object, PeerCertificate | null>();

/** The certificate of a connection, read once: `key` is what all its requests share. */
export function certificateOf(key: object, socket: TLSSocket): PeerCertificate | undefined {
  const known = certificates.get(key);
  if (known !== undefined) return known ?? undefined;
  const found = readCertificate(socket);
  certificates.set(key, found ?? null);
  return found;
}

function readCertificate(socket: TLSSocket): PeerCertificate | undefined {
  if (!socket.encrypted || !socket.authorized) return undefined;
  const raw = socket.getPeerCertificate();
  if (!raw?.subject) return undefined;
  const { CN, O } = raw.subject as { CN?: string | string[]; O?: string | string[] };
  return {
    commonName: [CN ?? ''].flat()[0] ?? '',
    organizations: O === undefined ? [] : [O].flat(),
    raw: raw.raw,
    notAfterMs: Date.parse(raw.valid_to),
  };
}

/**
 * Headers that name users and groups come one value a line, and the values may hold commas: they are kept apart, where Node would
 * join the lines.
 */
export function withIdentityLines(headers: HttpHeaders, rawHeaders: readonly string[]): HttpHeaders {
  let out: Record<string, string | readonly string[] | undefined> | undefined;
  for (const name in headers) {
    if (!name.startsWith('x-remote-') && !name.startsWith('impersonate-')) continue;
    out ??= { ...headers };
    out[name] = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);
  }
  return out ?? headers;
}
